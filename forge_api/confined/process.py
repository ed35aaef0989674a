"""The API process's end of a confined process: starts it, asks it, sees how it died.

Blocks; one thread at a time. Knows nothing of what is asked.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import weakref
from typing import BinaryIO, Final, NamedTuple, cast

from forge_api.confined.child import EXIT_OUT_OF_MEMORY
from forge_api.confined.frames import MAX_FRAME_BYTES, read_frame, write_frame

INHERITED: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "HOME", "LANG", "TZ")
ONE_THREAD: Final = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
MAX_WAIT_S: Final = 30.0  # of wall clock: only a process that was stopped or starved comes near it


class Program(NamedTuple):
    """A module to run, and what it may take."""

    module: str
    max_cpu_s: float  # for an answer; it sets its limits itself
    max_reply_bytes: int = MAX_FRAME_BYTES


class ProcessDied(Exception):
    def __init__(self, module: str, returncode: int) -> None:
        super().__init__(f"{module} ended with {returncode}")
        self.is_out_of_time = returncode == -signal.SIGPROF
        self.is_out_of_memory = returncode == EXIT_OUT_OF_MEMORY


class ConfinedProcess:
    """One process, from its start to its end."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._popen, self._stream = start(program)
        self.stop = weakref.finalize(self, stop, self._popen, self._stream)

    @property
    def pid(self) -> int:
        return self._popen.pid

    def ask(self, body: bytes) -> bytes:
        """Raises ProcessDied; the process is gone then."""
        self.send(body)
        return self.receive()

    def send(self, body: bytes) -> None:
        try:
            write_frame(self._stream, body)
        except (OSError, ValueError) as error:  # ValueError: it was stopped already
            raise self.death() from error

    def receive(self) -> bytes:
        try:
            body = read_frame(self._stream, self._program.max_reply_bytes)
        except (OSError, ValueError):
            body = None
        if body is None:
            raise self.death()
        return body

    def death(self) -> ProcessDied:
        self._popen.kill()  # changes nothing for one that is dead already
        return ProcessDied(self._program.module, self._popen.wait())


class Started(NamedTuple):
    popen: subprocess.Popen[bytes]
    stream: BinaryIO


def start(program: Program) -> Started:
    """One socket is the process's input and output: it ends when our side of it is closed.

    Of the environment it gets what Python needs to start, since keys may stand in the rest.
    """
    ours, theirs = socket.socketpair()
    ours.settimeout(MAX_WAIT_S)
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with ours, theirs:
        popen = subprocess.Popen(  # noqa: S603  (our own module)
            (sys.executable, "-m", program.module, str(program.max_cpu_s)),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            env=inherited | ONE_THREAD,
        )
        return Started(popen, cast(BinaryIO, ours.makefile("rwb")))


def stop(popen: subprocess.Popen[bytes], stream: BinaryIO) -> None:
    popen.kill()
    popen.wait()
    with contextlib.suppress(OSError):  # what it never read
        stream.close()
