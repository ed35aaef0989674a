"""How a role tells its launcher how far it is: newline JSON over an inherited file descriptor.

    {"type":"Progress","done_bytes":1048576,"total_bytes":7340032}
    {"type":"Ready","detail":"cpu, 512 blocks"}
    {"type":"Failed","message":"config.json: architecture Foo is unknown"}
    {"type":"PeerLost","process_id":4711}
    {"type":"Alive"}

The descriptor's number stands in `FORGE_READY_FD`; without it every report is a no-op, so a role
runs the same by itself. Without a launcher, `FORGE_READY_FILE` may name a file to say `Ready` in
(`ready_file`). Knows nothing of processes, of what a role does, or of who listens.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from forge_common.ready_file import ready_file, write_ready_file

READY_FD_VARIABLE = "FORGE_READY_FD"
MAX_TEXT_CHARS = 2000
MAX_LINE_BYTES = 16 * 1024

Text = Annotated[str, Meta(max_length=MAX_TEXT_CHARS)]
NumBytes = Annotated[int, Meta(ge=0, le=2**63 - 1)]

logger = logging.getLogger(__name__)


class Report(Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """One line from a role to its launcher."""


class Progress(Report, frozen=True):
    done_bytes: NumBytes
    total_bytes: NumBytes


class Ready(Report, frozen=True):
    detail: Text = ""


class Failed(Report, frozen=True):
    """The role is about to exit; `message` is one sentence for a person."""

    message: Text


class PeerLost(Report, frozen=True):
    """Another process of the deployment is of no use any more: it is to end, if it still runs."""

    process_id: Annotated[int, Meta(ge=0, lt=2**53)]


class Alive(Report, frozen=True):
    """The role's main loop goes round; from the first one on, silence means that it does not."""


AnyReport = Progress | Ready | Failed | PeerLost | Alive


class Readiness:
    """The role's side. Never raises: a launcher that is gone is the lifeline's business."""

    def __init__(self, fd: int | None, file: Path | None = None) -> None:
        self._fd = fd
        self._file = file

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Readiness:
        given = os.environ if environment is None else environment
        stated = given.get(READY_FD_VARIABLE)
        if not stated:
            return cls(None, ready_file(given))
        with suppress(OSError):  # it is none of ours: the first report will show
            os.set_blocking(int(stated), False)
        return cls(int(stated))

    @property
    def is_supervised(self) -> bool:
        return self._fd is not None

    def progress(self, done_bytes: int, total_bytes: int) -> None:
        self._report(Progress(done_bytes, total_bytes))

    def ready(self, detail: str = "") -> None:
        self._report(Ready(detail[:MAX_TEXT_CHARS]))
        if self._file is None:
            return
        try:
            write_ready_file(self._file)
        except OSError as error:
            logger.warning("cannot say in %s that this is ready: %s", self._file, error)

    def failed(self, message: str) -> None:
        self._report(Failed(message[:MAX_TEXT_CHARS]))

    def peer_lost(self, process_id: int) -> None:
        self._report(PeerLost(process_id))

    def alive(self) -> None:
        self._report(Alive())

    def _report(self, report: AnyReport) -> None:
        if self._fd is None:
            return
        try:
            os.write(self._fd, msgspec.json.encode(report) + b"\n")
        except BlockingIOError:  # a launcher that is stopped does not read
            logger.debug("the launcher does not read what it is told")
        except OSError:
            self._fd = None


class ReportReader:
    """The launcher's side: bytes as they come in, reports out; what is no report is dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._decoder: msgspec.json.Decoder[AnyReport] = msgspec.json.Decoder(AnyReport)

    def feed(self, data: bytes) -> Iterator[AnyReport]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest = b""
        for line in lines:
            try:
                yield self._decoder.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
