"""The API process's end of its template process: starts it, asks it, replaces it when it died.

Knows nothing of messages' shape or of what a prompt is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from typing import Any, BinaryIO, Final, NamedTuple, cast

import msgspec

from forge_api.templating.messages import (
    Failed,
    Load,
    Loaded,
    Render,
    Rendered,
    Reply,
    Request,
    read_frame,
    write_frame,
)
from forge_common.errors import ModelError, RequestError, RequestErrorKind

COMMAND = (sys.executable, "-m", "forge_api.templating.process")
ENVIRONMENT: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "HOME", "LANG", "TZ")
MAX_CPU_S: Final = 1.0
MAX_WAIT_S: Final = 30.0  # of wall clock: only a process that was stopped or starved comes near it


class TemplateProcess(NamedTuple):
    popen: subprocess.Popen[bytes]
    stream: BinaryIO


class ProcessDied(Exception):
    def __init__(self, returncode: int) -> None:
        super().__init__(f"the template process ended with {returncode}")
        self.is_out_of_time = returncode == -signal.SIGPROF


class TemplateClient:
    """Renders one model's templates. Blocks for as long as a template runs; thread-safe."""

    def __init__(self, templates: dict[str, str], max_cpu_s: float = MAX_CPU_S) -> None:
        self._templates = templates
        self._max_cpu_s = max_cpu_s
        self._lock = threading.Lock()
        self._decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
        self._process = self._spawn()

    def load(self) -> dict[str, list[str]]:
        """The variables each template reads. Raises ModelError when one is no valid template."""
        try:
            with self._lock:
                reply = self._receive()
        except ProcessDied as error:
            raise ModelError("The model's chat template could not be compiled in time.") from error
        if isinstance(reply, Loaded):
            return reply.variables
        reason = reply.message if isinstance(reply, Failed) else "no reply"
        raise ModelError(f"The model's chat template is not usable: {reason}.")

    def render(self, template: str, variables: dict[str, Any]) -> str:
        """The text of a template. Raises RequestError when it fails or uses too much."""
        body = encode(Render(template, variables))
        try:
            with self._lock:
                reply = self._ask(body)
        except ProcessDied as error:
            raise RequestError("No prompt was made.", kind=RequestErrorKind.INTERNAL) from error
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
            self._stop()

    def _ask(self, body: bytes) -> Reply:
        """Once more when the process was found dead, unless this very prompt ended it."""
        try:
            return self._send_and_receive(body)
        except ProcessDied as error:
            self._restart()
            if error.is_out_of_time:
                raise refused("took too long to render") from error
        try:
            return self._send_and_receive(body)
        except ProcessDied as error:
            self._restart()
            raise refused("could not be rendered") from error

    def _restart(self) -> None:
        self._stop()
        self._process = self._spawn()
        self._receive()

    def _send_and_receive(self, body: bytes) -> Reply:
        try:
            write_frame(self._process.stream, body)
        except OSError as error:
            raise self._death() from error
        return self._receive()

    def _receive(self) -> Reply:
        try:
            body = read_frame(self._process.stream)
        except OSError:
            body = None
        if body is None:
            raise self._death()
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:  # a template that broke out would be no surprise
            raise self._death() from error

    def _death(self) -> ProcessDied:
        self._process.popen.kill()  # changes nothing for one that is dead already
        return ProcessDied(self._process.popen.wait())

    def _spawn(self) -> TemplateProcess:
        process = start(self._max_cpu_s)
        self._stop = weakref.finalize(self, stop, process)
        write_frame(process.stream, encode(Load(self._templates)))
        return process


def start(max_cpu_s: float) -> TemplateProcess:
    """One socket is the process's input and output: it ends when our side of it is closed.

    Of the environment it gets what Python needs to start, since keys may stand in the rest.
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(MAX_WAIT_S)
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    with ours, theirs:
        popen = subprocess.Popen(  # noqa: S603  (our own module)
            (*COMMAND, str(max_cpu_s)),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            env=environment,
        )
        return TemplateProcess(popen, cast(BinaryIO, ours.makefile("rwb")))


def stop(process: TemplateProcess) -> None:
    process.popen.kill()
    process.popen.wait()
    with contextlib.suppress(OSError):  # what it never read
        process.stream.close()


def encode(request: Request) -> bytes:
    try:
        return msgspec.json.encode(request)
    except (UnicodeEncodeError, RecursionError, OverflowError) as error:
        raise RequestError(f"The messages cannot be encoded: {error}.", param="messages") from error


def refused(what_happened: str) -> RequestError:
    return RequestError(f"The model's chat template {what_happened}.", param="messages")
