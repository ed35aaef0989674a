"""The API process's end of its template process: starts it, asks it, replaces it when it died.

Knows nothing of messages' shape or of what a prompt is.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import msgspec

from forge_api.confined.process import ProcessDied, Program
from forge_api.confined.succession import Succession
from forge_api.templating.messages import (
    Failed,
    Load,
    Loaded,
    Render,
    Rendered,
    Reply,
    Request,
)
from forge_common.errors import ModelError, RequestError, RequestErrorKind

MODULE: Final = "forge_api.templating.process"
MAX_CPU_S: Final = 1.0


class TemplateClient:
    """Renders one model's templates. Blocks for as long as a template runs; thread-safe."""

    def __init__(self, templates: dict[str, str], max_cpu_s: float = MAX_CPU_S) -> None:
        self._lock = threading.Lock()
        self._decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
        self._processes = Succession(Program(MODULE, max_cpu_s), encode(Load(templates)))

    def load(self) -> dict[str, list[str]]:
        """The variables each template reads. Raises ModelError when one is no valid template."""
        try:
            with self._lock:
                reply = self._decoder.decode(self._processes.first_reply())
        except (ProcessDied, msgspec.DecodeError) as error:
            raise ModelError("The model's chat template could not be compiled in time.") from error
        if isinstance(reply, Loaded):
            return reply.variables
        reason = reply.message if isinstance(reply, Failed) else "no reply"
        raise ModelError(f"The model's chat template is not usable: {reason}.")

    def render(self, template: str, variables: dict[str, Any]) -> str:
        """The text of a template. Raises RequestError when it fails or uses too much."""
        body = encode(Render(template, variables))
        with self._lock:
            reply = self._ask(body)
        match reply:
            case Rendered(text=text):
                return text
            case Failed(message=message, is_raised_by_template=True):
                raise RequestError(message, param="messages")
            case Failed(message=message):
                raise refused(f"failed on these messages: {message}")
            case Loaded():
                raise RequestError("No prompt was made.", kind=RequestErrorKind.INTERNAL)

    def close(self) -> None:
        with self._lock:
            self._processes.stop()

    def _ask(self, body: bytes) -> Reply:
        try:
            return self._decoder.decode(self._processes.ask(body))
        except ProcessDied as error:
            took_too_long = "took too long to render"
            raise refused(
                took_too_long if error.is_out_of_time else "could not be rendered"
            ) from error
        except msgspec.DecodeError as error:  # a template that broke out would be no surprise
            self._processes.replace()
            raise refused("could not be rendered") from error


def encode(request: Request) -> bytes:
    try:
        return msgspec.json.encode(request)
    except (UnicodeEncodeError, RecursionError, OverflowError) as error:
        raise RequestError(f"The messages cannot be encoded: {error}.", param="messages") from error


def refused(what_happened: str) -> RequestError:
    return RequestError(f"The model's chat template {what_happened}.", param="messages")
