"""Every error Forge raises on purpose.

    ForgeError
    ├── ConfigError         a setting is wrong, or two of them contradict each other
    ├── ModelError          a model directory cannot be served: files, architecture, tensors, memory
    ├── RequestError        one request cannot be served; carries `param`, `code` and `kind`
    ├── LinkError           a ZeroMQ peer is gone, too slow, or speaks another protocol version
    └── WorkerError         the worker failed as a whole
        └── DeviceError     its GPU: no driver, too old a driver, no memory left, a failed kernel

The message of each is one sentence for a person. Knows nothing of HTTP status codes or exit codes
beyond `EXIT_CODE`, the number a role's process returns when such an error ends it.
"""

from __future__ import annotations

from enum import StrEnum


class ForgeError(Exception):
    """The root: anything below it is an expected failure with a sentence to show."""

    EXIT_CODE = 1


class ConfigError(ForgeError):
    EXIT_CODE = 2


class ModelError(ForgeError):
    EXIT_CODE = 3


class LinkError(ForgeError):
    EXIT_CODE = 4


class WorkerError(ForgeError):
    EXIT_CODE = 5


class DeviceError(WorkerError):
    EXIT_CODE = 6


class RequestErrorKind(StrEnum):
    """Whose fault, and whether trying again can help; the API maps each to a status."""

    INVALID = "invalid"  # the request is wrong as it stands
    OVERLOADED = "overloaded"  # a queue is full: try again later
    UNAVAILABLE = "unavailable"  # nothing can serve it at this moment
    TOO_LATE = "too_late"  # its deadline has passed
    INTERNAL = "internal"  # Forge failed while serving it


class RequestError(ForgeError):
    """One request fails; every other goes on."""

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        kind: RequestErrorKind = RequestErrorKind.INVALID,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.code = code
        self.kind = kind
