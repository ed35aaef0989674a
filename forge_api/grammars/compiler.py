"""Compiler: grammars compiled in confined processes, by threads that do nothing but wait for them.

Two at a time, so that one that is slow does not hold up the next. Processes start with the first
grammar, or when `start` says so. Knows no cache and no field of a request.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from typing import Final, NamedTuple

import msgspec

from forge_api.confined.process import ProcessDied, Program
from forge_api.confined.succession import Succession
from forge_api.grammars.messages import Failed, Outcome, Refused, Reply
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.sampling import MAX_GRAMMAR_BYTES

MODULE: Final = "forge_api.grammars.process"
MAX_CPU_S: Final = 2.0
MAX_REPLY_BYTES: Final = MAX_GRAMMAR_BYTES + 2**16
NUM_PROCESSES: Final = 2

logger = logging.getLogger(__name__)


class TimedOutcome(NamedTuple):
    outcome: Outcome
    seconds: float  # of wall clock


class CompilerState(NamedTuple):
    """Of the processes that compile; some are only started when they are needed."""

    num_idle: int
    num_busy: int
    num_deaths: int  # of those that a grammar ended, by a limit or otherwise; others followed them


class Compiler:
    """Blocks; as many threads may call it as there are processes to be."""

    def __init__(self, max_cpu_s: float = MAX_CPU_S) -> None:
        self._program = Program(MODULE, max_cpu_s, MAX_REPLY_BYTES)
        self._decoder: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)
        self._idle: deque[Succession] = deque()
        self._busy: set[Succession] = set()
        self._num_deaths = 0

    @property
    def pids(self) -> list[int]:
        """Of the processes that wait for a grammar."""
        return [processes.pid for processes in self._idle]

    @property
    def state(self) -> CompilerState:
        return CompilerState(len(self._idle), len(self._busy), self._num_deaths)

    def start(self) -> None:
        """The first process; it gets ready by itself."""
        self._idle.append(Succession(self._program))

    def close(self) -> None:
        while self._idle:
            self._idle.pop().stop()

    def compile(self, spec: bytes) -> TimedOutcome:
        """Of the JSON of a GrammarSpec. Raises RequestError where Forge is to blame."""
        started_at = time.perf_counter()
        processes = self._idle.pop() if self._idle else Succession(self._program)
        self._busy.add(processes)
        try:
            outcome = self._ask(processes, spec)
        finally:
            self._busy.discard(processes)
            self._idle.append(processes)
        return TimedOutcome(outcome, time.perf_counter() - started_at)

    def _ask(self, processes: Succession, spec: bytes) -> Outcome:
        try:
            reply = self._decoder.decode(processes.ask(spec))
        except ProcessDied as error:
            self._num_deaths += 1
            return self._outcome_of(error)
        except msgspec.DecodeError as error:
            processes.replace()
            raise internal("its reply makes no sense") from error
        if isinstance(reply, Failed):
            logger.error("a grammar was not compiled: %s", reply.message)
            raise internal("an error of its own")
        return reply

    def _outcome_of(self, death: ProcessDied) -> Outcome:
        if death.is_out_of_time:
            seconds = f"{self._program.max_cpu_s:g} seconds"
            return Refused(f"compiling it takes more than {seconds}", is_too_large=True)
        if death.is_out_of_memory:
            return Refused("compiling it takes too much memory", is_too_large=True)
        logger.error("a grammar was not compiled: %s", death)
        raise internal("it ended") from death


def internal(cause: str) -> RequestError:
    return RequestError(
        f"The grammar was not compiled: the process that does so failed ({cause})",
        kind=RequestErrorKind.INTERNAL,
    )
