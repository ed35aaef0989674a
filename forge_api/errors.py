"""Failures as OpenAI's error object: `{"error": {"message", "type", "param", "code"}}`.

Every reply of Forge that is not a success carries it, also inside a stream. Knows the HTTP status
of each kind of failure; knows neither aiohttp nor what was asked.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import msgspec
from msgspec import Struct

from forge_common.errors import RequestError, RequestErrorKind

INVALID_REQUEST = "invalid_request_error"
SERVER_ERROR = "server_error"
GATEWAY_TIMEOUT = 504
_PATH_IN_MESSAGE = re.compile(r" - at (?:`key` in )?`\$\.?(?P<path>[^`]*)`$")
_IS_EMPTY = re.compile(r"^Expected `\w+` of length >= 1$")
_MISSING_FIELD = re.compile(r"missing required field `(?P<name>[^`]+)`")


class ErrorDetail(Struct, frozen=True):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorBody(Struct, frozen=True):
    error: ErrorDetail


class ApiError(Exception):
    """A failure with its status; `retry_after_s` becomes the `Retry-After` header."""

    def __init__(
        self, status: int, detail: ErrorDetail, *, retry_after_s: float | None = None
    ) -> None:
        super().__init__(detail.message)
        self.status = status
        self.detail = detail
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> bytes:
        return msgspec.json.encode(ErrorBody(self.detail))

    @property
    def headers(self) -> dict[str, str]:
        if self.status == GATEWAY_TIMEOUT:  # OpenAI's clients would try again, and for nothing
            return {"X-Should-Retry": "false"}
        if self.retry_after_s is None:
            return {}
        return {"Retry-After": str(max(1, math.ceil(self.retry_after_s)))}


class RetryLater(RequestError):
    """A refusal that says when trying again makes sense."""

    def __init__(self, message: str, *, code: str | None, retry_after_s: float) -> None:
        super().__init__(message, code=code, kind=RequestErrorKind.OVERLOADED)
        self.retry_after_s = retry_after_s


class StatusMeaning(Struct, frozen=True):
    status: int
    type: str
    default_code: str | None


MEANINGS = {
    RequestErrorKind.INVALID: StatusMeaning(400, INVALID_REQUEST, None),
    RequestErrorKind.OVERLOADED: StatusMeaning(429, "rate_limit_error", "rate_limit_exceeded"),
    RequestErrorKind.UNAVAILABLE: StatusMeaning(503, SERVER_ERROR, "service_unavailable"),
    RequestErrorKind.TOO_LATE: StatusMeaning(504, SERVER_ERROR, "deadline_exceeded"),
    RequestErrorKind.INTERNAL: StatusMeaning(500, SERVER_ERROR, "internal_error"),
}
DEFAULT_RETRY_AFTER_S = 1.0


def api_error_from(error: RequestError) -> ApiError:
    meaning = MEANINGS[error.kind]
    detail = ErrorDetail(
        error.message, meaning.type, error.param, error.code or meaning.default_code
    )
    retry_after_s = getattr(error, "retry_after_s", None)
    if retry_after_s is None and meaning.status in (429, 503):
        retry_after_s = DEFAULT_RETRY_AFTER_S
    return ApiError(meaning.status, detail, retry_after_s=retry_after_s)


def invalid_request(
    message: str, *, param: str | None = None, code: str | None = None, status: int = 400
) -> ApiError:
    return ApiError(status, ErrorDetail(message, INVALID_REQUEST, param, code))


def internal_error() -> ApiError:
    """Says nothing of the cause: that is for the log, not for the client."""
    return api_error_from(
        RequestError("Forge failed while serving this request", kind=RequestErrorKind.INTERNAL)
    )


def from_validation(
    error: msgspec.ValidationError, allowed_at: Callable[[str], Sequence[str]]
) -> RequestError:
    """Takes the path of the offending field out of msgspec's message: it is OpenAI's `param`.

    `allowed_at` lists the values a field may have, where they can be listed.
    """
    message = str(error)
    place = _PATH_IN_MESSAGE.search(message)
    path = place["path"].removesuffix("[...]") if place else ""
    text = message[: place.start()] if place else message
    missing = _MISSING_FIELD.search(text)
    if missing:
        path = f"{path}.{missing['name']}".lstrip(".")
    if path and _IS_EMPTY.match(text):
        return RequestError(f"`{path}` must not be empty", param=path)
    if text.startswith("Invalid") and (allowed := allowed_at(path)):
        text += f": it must be {_one_of(allowed)}"
    return RequestError(f"{text} (at `{path}`)" if path else text, param=path or None)


def _one_of(values: Sequence[str]) -> str:
    listed = ", ".join(f"`{value}`" for value in values)
    return listed if len(values) == 1 else f"one of {listed}"


def model_not_found(name: str) -> ApiError:
    return invalid_request(
        f"The model `{name}` does not exist here, or this key may not use it",
        param="model",
        code="model_not_found",
        status=404,
    )
