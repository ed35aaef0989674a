"""Ranks: the further processes of a worker whose model is divided among several, seen by rank 0.

Rank 0 alone talks to the scheduler. It starts the others, hands each RunBatch on before it runs it
itself, and discovers in the middle of a step when one of them is gone. They end when it does, since
their link to it ends. Knows processes and links, not what a step computes.
"""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress
from typing import Self

import msgspec

from forge_common.errors import WorkerError
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.parallel.communicator import Communicator
from forge_worker.parallel.rank_link import RankLink
from forge_worker.parallel.rank_messages import (
    READY,
    Assignment,
    RankJob,
    RankStep,
    checksum,
)
from forge_worker.parallel.star import StarCenter
from forge_worker.runner import Runner

END_WAIT_S = 5.0


class Ranks:
    """`with Ranks(job) as ranks`: ranks 1 and up, as processes that load at the same time."""

    def __init__(self, job: RankJob) -> None:
        self._links: list[RankLink] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        for rank in range(1, job.num_ranks):
            self._start(Assignment(rank, job))

    @property
    def communicator(self) -> Communicator:
        return StarCenter(self._links)

    @property
    def process_ids(self) -> list[int]:
        return [process.pid for process in self._processes]

    @property
    def exit_codes(self) -> list[int | None]:
        return [process.returncode for process in self._processes]

    def wait_until_ready(self) -> None:
        """Until all have loaded; WorkerError where one cannot, which said itself why."""
        for rank, link in enumerate(self._links, start=1):
            if link.receive_message() != READY:
                raise WorkerError(f"rank {rank} of this worker did not become ready")

    def hand_on(self, step: RankStep) -> None:
        message = msgspec.msgpack.encode(step)
        for link in self._links:
            link.send_message(message)

    def close(self) -> None:
        """End of the links, and so of the processes."""
        for link in self._links:
            link.close()
        for process in self._processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(END_WAIT_S)
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _start(self, assignment: Assignment) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "forge_worker.parallel", str(theirs.fileno())]
            process = subprocess.Popen(  # noqa: S603 - the command is ours
                command, pass_fds=[theirs.fileno()]
            )
        self._processes.append(process)
        link = RankLink(ours, assignment.rank)
        self._links.append(link)
        link.send_message(msgspec.msgpack.encode(assignment))


class LeadingRunner:
    """The runner of rank 0, which the others follow."""

    def __init__(self, runner: Runner, ranks: Ranks) -> None:
        self._runner = runner
        self._ranks = ranks
        self._drawn: list[int] = []
        self.use_spare_time = runner.use_spare_time
        self.waking = runner.waking

    def launch(self, batch: RunBatch) -> None:
        drawn, self._drawn = self._drawn, []
        self._ranks.hand_on(RankStep(batch, tuple(drawn)))
        self._runner.launch(batch)

    def finished(self) -> list[BatchOutput]:
        outputs = self._runner.finished()
        self._drawn += [checksum(output) for output in outputs]
        return outputs
