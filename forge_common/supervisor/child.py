"""One child process: how it is started, what is heard from it, and how it is told to end.

Each child leads a process group of its own, so that a signal from the terminal reaches only the
launcher and a kill reaches all that a child started. It inherits the write end of a pipe to report
through and the read end of the lifeline. Must be started from the main thread: the kernel's
parent-death signal is tied to the thread. Knows one child, not why it runs or what its end means.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Protocol

from forge_common.lifeline import LIFELINE_FD_VARIABLE
from forge_common.readiness import READY_FD_VARIABLE, AnyReport, ReportReader
from forge_common.restart_count import RESTARTS_VARIABLE
from forge_common.supervisor.lines import LineSplitter
from forge_common.supervisor.roles import Role

SIGNAL_EXIT_BASE = 128  # what a shell adds to the number of a deadly signal
OUTPUT_WAIT_S = 1.0


class Listener(Protocol):
    """Who is told what a child says."""

    def on_line(self, child: Child, line: str) -> None: ...

    def on_report(self, child: Child, report: AnyReport) -> None: ...


class Child:
    def __init__(self, role: Role, num_restarts: int = 0) -> None:
        self.role = role
        self.num_restarts = num_restarts
        self.is_ready = False
        self._is_reload_due = False
        self.failure_message: str | None = None
        self.exit_code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._open_pipes = 0
        self._has_said_all = asyncio.Event()
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self, lifeline_fd: int, listener: Listener) -> None:
        """`lifeline_fd` is the read end of a pipe that only the launcher can write to."""
        report_fd, ready_fd = os.pipe()
        try:
            self._process = self._spawn(lifeline_fd, ready_fd)
        finally:
            os.close(ready_fd)
        reports, lines = ReportReader(), LineSplitter()

        def on_reports(data: bytes) -> None:
            for report in reports.feed(data):
                listener.on_report(self, report)

        def on_output(data: bytes) -> None:
            for line in lines.feed(data) if data else lines.finish():
                listener.on_line(self, line)

        await self._listen(os.fdopen(report_fd, "rb", buffering=0), on_reports)
        await self._listen(self._process.stdout, on_output)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and not self.exit_code.done()

    @property
    def was_killed(self) -> bool:
        return self.exit_code.done() and self.exit_code.result() > SIGNAL_EXIT_BASE

    def has_exited(self, wait_status: int) -> None:
        """Called once, by whoever reaped it."""
        code = os.waitstatus_to_exitcode(wait_status)
        if self._process is not None:
            self._process.returncode = code  # Popen must not wait for a pid that is reaped
        if not self.exit_code.done():
            self.exit_code.set_result(code if code >= 0 else SIGNAL_EXIT_BASE - code)

    def terminate(self) -> None:
        """Ask it, and only it, to finish its work and exit."""
        if self.is_running and self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)

    def has_become_ready(self) -> None:
        self.is_ready = True
        if self._is_reload_due:
            self.reload()

    def reload(self) -> None:
        """Have it read its files again; before it is ready the signal might end it, so later."""
        self._is_reload_due = not self.is_ready
        if self.is_ready and self.is_running and self.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGHUP)

    def kill(self) -> None:
        """End it and everything it started, now."""
        if self.is_running and self.pid is not None:
            kill_group(self.pid)

    async def has_ended(self) -> None:
        """Returns once it is gone and all that it said was heard."""
        await asyncio.shield(self.exit_code)
        with suppress(TimeoutError):  # somebody it started may hold its output open
            await asyncio.wait_for(self._has_said_all.wait(), OUTPUT_WAIT_S)

    async def _listen(self, pipe: IO[bytes] | None, on_data: Callable[[bytes], None]) -> None:
        """`on_data` gets what the pipe brings, and nothing, once, at its end."""
        self._open_pipes += 1

        def on_end() -> None:
            on_data(b"")
            self._open_pipes -= 1
            if self._open_pipes == 0:
                self._has_said_all.set()

        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: _PipeProtocol(on_data, on_end), pipe)

    def _spawn(self, lifeline_fd: int, ready_fd: int) -> subprocess.Popen[bytes]:
        environment = {
            **self.role.environment,
            LIFELINE_FD_VARIABLE: str(lifeline_fd),
            READY_FD_VARIABLE: str(ready_fd),
            RESTARTS_VARIABLE: str(self.num_restarts),
        }
        return subprocess.Popen(  # noqa: S603 - the command is ours
            self.role.argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(lifeline_fd, ready_fd),
            process_group=0,
            bufsize=0,
        )


def kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class _PipeProtocol(asyncio.Protocol):
    def __init__(self, on_data: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_data = on_data
        self._on_end = on_end

    def data_received(self, data: bytes) -> None:
        self._on_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._on_end()
