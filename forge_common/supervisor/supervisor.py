"""Supervisor: starts the roles, waits for a stop signal or a failure, and ends them all.

    start ─▶ all ready ─▶ announce ─▶ … ─┬─ SIGTERM, SIGINT, SIGHUP ─▶ drain, stage by stage ─▶ 0
                                         │    a second one ─▶ kill ─▶ 128 + signal
                                         └─ a child ends ─┬─▶ stop the rest ─▶ its exit code
                                                          └─▶ start it again, within a budget

The death of a child is fatal unless its role has been ready once: then the deployment ends with the
code of the first that failed, and its reason is the last thing said.
SIGHUP is handed on instead where a role reads files again. As PID 1 of a container it also reaps
orphans. Knows processes and signals, not what the roles do.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, assert_never

from forge_common.config import LaunchSettings
from forge_common.errors import ForgeError
from forge_common.readiness import Alive, AnyReport, Failed, PeerLost, Progress, Ready
from forge_common.supervisor.child import SIGNAL_EXIT_BASE, Child, kill_group
from forge_common.supervisor.console import Console
from forge_common.supervisor.hang_watch import HangWatch
from forge_common.supervisor.outcome import (
    Failure,
    Outcome,
    cause_of,
    how_it_ended,
    outcome_of,
)
from forge_common.supervisor.progress import LoadingText
from forge_common.supervisor.restarts import RestartBudget, Restarts
from forge_common.supervisor.roles import Role

STOP_GRACE_S = 5.0  # beyond the time to drain, before a child is killed
KILL_WAIT_S = 5.0
LOST_GRACE_S = 1.0  # for a child that its peers have given up, to end by itself
CAUSE_WAIT_S = 0.05  # a death may be told by those who felt it before it is noticed here
PROGRESS_INTERVAL_S = 2.0
TERMINAL_PROGRESS_INTERVAL_S = 0.1

logger = logging.getLogger(__name__)


class WaitResult(NamedTuple):
    pid: int  # 0 when nobody has ended
    status: int


class Supervisor:
    def __init__(
        self,
        console: Console,
        settings: LaunchSettings,
        on_ready: Callable[[], None],
        stop_grace_s: float = STOP_GRACE_S,
    ) -> None:
        self._console = console
        self._settings = settings
        self._on_ready = on_ready
        self._stop_grace_s = stop_grace_s
        self._children: list[Child] = []
        self._loading: dict[str, LoadingText] = {}
        self._restarts = Restarts(
            lambda: RestartBudget(settings.max_restarts, settings.restart_window_s)
        )
        self._hang_watch = HangWatch(settings.hang_timeout_s)
        self._restarting: set[asyncio.Task[None]] = set()
        self._failures: list[Failure] = []  # in the order in which they were noticed
        self._signals: list[signal.Signals] = []
        self._is_stopping = False
        self._ending = asyncio.Event()
        self._hurry = asyncio.Event()
        self._lifeline_fd, self._launcher_fd = os.pipe()

    async def run(self, roles: Sequence[Role]) -> Outcome:
        """Returns once nothing of the deployment is left."""
        self._children = [Child(role) for role in roles]
        self._watch_signals()
        watching = asyncio.ensure_future(self._hang_watch.run(self._on_silent))
        try:
            for child in self._children:
                await self._start(child)
            await self._ending.wait()
            return await self._end()
        finally:
            watching.cancel()
            for child in self._children:
                child.kill()
            os.close(self._lifeline_fd)
            os.close(self._launcher_fd)

    async def _start(self, child: Child) -> None:
        await child.start(self._lifeline_fd, self)
        loop = asyncio.get_running_loop()
        loop.call_later(self._settings.start_timeout_s, self._on_start_timeout, child)

    async def _end(self) -> Outcome:
        if self._failures:
            return await self._end_after_failure()
        loop = asyncio.get_running_loop()
        drain_s = self._settings.drain_timeout_s
        deadline = loop.time() + drain_s
        logger.info("stopping; running requests have %g s to finish", drain_s)
        for stage in sorted({child.role.stage for child in self._children}, reverse=True):
            remaining_s = max(0.0, deadline - loop.time())
            children = [child for child in self._children if child.role.stage == stage]
            await self._stop(children, remaining_s + self._stop_grace_s)
        return Outcome(SIGNAL_EXIT_BASE + self._signals[-1] if self._hurry.is_set() else 0)

    async def _end_after_failure(self) -> Outcome:
        await asyncio.sleep(CAUSE_WAIT_S)
        failure = cause_of(self._failures)
        await self._stop(self._children, self._stop_grace_s)
        return outcome_of(failure)

    async def _stop(self, children: Iterable[Child], grace_s: float) -> None:
        """Ask all to exit; kill those that have not when time is up or somebody is in a hurry."""
        self._is_stopping = True
        stopping = list(children)
        self._restarts.note_stop(child.role for child in stopping)
        for child in stopping:
            if child.failure_message is None:  # else it is about to exit, with a code of its own
                child.terminate()
        all_ended = asyncio.gather(*(child.has_ended() for child in stopping))
        in_a_hurry = asyncio.ensure_future(self._hurry.wait())
        waited_for: set[asyncio.Future[Any]] = {all_ended, in_a_hurry}
        await asyncio.wait(waited_for, timeout=grace_s, return_when=asyncio.FIRST_COMPLETED)
        in_a_hurry.cancel()
        for child in stopping:
            child.kill()
        with suppress(TimeoutError):  # stuck in the kernel: nothing can be done about that here
            await asyncio.wait_for(all_ended, KILL_WAIT_S)

    def on_line(self, child: Child, line: str) -> None:
        self._console.line(child.role.name, line)

    def on_report(self, child: Child, report: AnyReport) -> None:
        match report:
            case Progress():
                self._on_progress(child, report)
            case Failed(message=message):
                self._on_failed(child, message)
            case PeerLost(process_id=process_id):
                self._on_peer_lost(process_id)
            case Ready():
                self._on_child_ready(child)
            case Alive():
                self._hang_watch.heard(child)
            case _:
                assert_never(report)

    def _on_child_ready(self, child: Child) -> None:
        child.has_become_ready()
        num_before = self._restarts.num_ready_roles
        self._restarts.note_ready(child.role)
        if num_before < self._restarts.num_ready_roles == len(self._children):
            self._on_ready()

    def _on_failed(self, child: Child, message: str) -> None:
        """It is about to end; one that is started again is given the time to do so."""
        child.failure_message = message
        if child.is_ready and self._restarts.keeps(child.role):
            asyncio.get_running_loop().call_later(self._stop_grace_s, child.kill)
        else:
            self._fail(Failure(child))

    def _on_peer_lost(self, process_id: int) -> None:
        child = self._child_of(process_id)
        if child is not None and self._restarts.keeps(child.role):
            asyncio.get_running_loop().call_later(LOST_GRACE_S, self._end_lost, child)

    def _end_lost(self, child: Child) -> None:
        if child.is_running:
            logger.warning("%s is of no use to its peers any more: it is killed", child.role.name)
            child.kill()

    def _on_silent(self, child: Child) -> None:
        """It is stopped, or hung; while all are stopping there is a deadline for that anyway."""
        if not self._is_stopping:
            seconds = f"{self._settings.hang_timeout_s:g} s (--hang-timeout-s)"
            child.failure_message = f"gave no sign of life for {seconds}, and was killed"
            child.kill()

    def _on_progress(self, child: Child, progress: Progress) -> None:
        name, now_s = child.role.name, asyncio.get_running_loop().time()
        on_terminal = self._console.is_terminal
        interval_s = TERMINAL_PROGRESS_INTERVAL_S if on_terminal else PROGRESS_INTERVAL_S
        loading = self._loading.setdefault(name, LoadingText(now_s, interval_s))
        text = loading.update(progress, now_s)
        if text is not None:
            is_done = progress.done_bytes >= progress.total_bytes
            (self._console.finish_update if is_done else self._console.update)(name, text)

    def _on_start_timeout(self, child: Child) -> None:
        if child.is_running and not child.is_ready:
            seconds = f"{self._settings.start_timeout_s:g} s (--start-timeout-s)"
            self._fail(Failure(child, f"was not ready within {seconds}", ForgeError.EXIT_CODE))

    def _fail(self, failure: Failure) -> None:
        """Only before a stop was asked for: what ends after that was meant to."""
        if not self._signals and not self._is_stopping:
            self._failures.append(failure)
            self._restarts.note_stop(child.role for child in self._children)
            self._ending.set()

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_stop_signal, number)
        is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN  # as nohup leaves it
        if not is_ignored or any(child.role.is_reloaded for child in self._children):
            loop.add_signal_handler(signal.SIGHUP, self._on_hangup)
        loop.add_signal_handler(signal.SIGCHLD, self._reap)

    def _on_stop_signal(self, number: signal.Signals) -> None:
        self._signals.append(number)
        if self._ending.is_set():
            self._hurry.set()
        self._ending.set()

    def _on_hangup(self) -> None:
        """Where a role has files to read again, it does; else a terminal is gone.

        That once: the kernel and its shell may both tell.
        """
        reloaded = [child for child in self._children if child.role.is_reloaded]
        if reloaded:
            for child in reloaded:
                child.reload()
        elif signal.SIGHUP not in self._signals:
            self._on_stop_signal(signal.SIGHUP)

    def _reap(self) -> None:
        """Collect every child that has ended, orphans that PID 1 is given included.

        What a child leaves running in its group is killed.
        """
        with suppress(ChildProcessError):
            while (ended := WaitResult(*os.waitpid(-1, os.WNOHANG))).pid:
                child = self._child_of(ended.pid)
                if child is not None:
                    kill_group(ended.pid)
                    child.has_exited(ended.status)
                    self._on_end(child)

    def _on_end(self, child: Child) -> None:
        budget = self._restarts.budget_of(child.role)
        if not self._restarts.is_due(child, is_draining=bool(self._signals)):
            self._fail(Failure(child))
        elif budget.is_used_up:
            self._fail(Failure(child, f"{how_it_ended(child)}, after it was restarted {budget}"))
        else:
            task = asyncio.ensure_future(self._start_again(child, budget.take_delay_s()))
            self._restarting.add(task)
            task.add_done_callback(self._restarting.discard)

    async def _start_again(self, child: Child, delay_s: float) -> None:
        name = child.role.name
        logger.warning("%s: %s; it starts again in %.1f s", name, how_it_ended(child), delay_s)
        await asyncio.sleep(delay_s)
        if not self._restarts.keeps(child.role):
            return
        self._loading.pop(name, None)
        successor = Child(child.role, child.num_restarts + 1)
        self._children[self._children.index(child)] = successor
        try:
            await self._start(successor)
        except OSError as error:
            self._fail(Failure(child, f"cannot be started again: {error}"))

    def _child_of(self, pid: int) -> Child | None:
        return next((child for child in self._children if child.pid == pid), None)
