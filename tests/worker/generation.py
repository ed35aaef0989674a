"""Texts that a model with random weights writes under grammars, many sequences in a batch.

Its vocabulary is as unkind as real ones: tokens split code points and cross the borders of rules.
Knows no schemas.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import NamedTuple, Protocol

import msgspec

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.program import Program
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.constraints import Constraints
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.sequence_mirror import Limits
from tests.common.grammar.engine.vocabularies import PIECES
from tests.worker.fakes import FakeSequence
from tests.worker.tiny_models import make_tiny_model

END = 2
VOCAB_SIZE = 512
BLOCKS_A_SEQUENCE = 40
LIMITS = Limits(
    max_batch_size=16, max_model_len=160, block_size=4, num_blocks=640, vocab_size=VOCAB_SIZE
)
PROMPT = [3, 14, 15, 9, 26]
CLOSERS = (b'"', b'",', b'", "', b"]", b"}", b'"}', b'":{', b"}]", b"]}", b"},", b",", b'":', b"1,")


class Runner(Protocol):
    def run(self, batch: RunBatch) -> BatchOutput: ...


class Job(NamedTuple):
    program: Program | None
    seed: int
    params: dict[str, object] = {}  # noqa: RUF012 - it is only read
    max_tokens: int = 120


class Written(NamedTuple):
    text: bytes
    token_ids: list[int]
    is_finished: bool  # an end token came
    error: str | None = None


def tokens() -> list[bytes]:
    """None of the first three is text; every byte; pieces of JSON and of code points, glued."""
    random = Random(8)
    found = [b"", b"", b"", *(bytes([byte]) for byte in range(256)), *PIECES, *CLOSERS]
    while len(found) < VOCAB_SIZE:
        found.append(random.choice(CLOSERS) + random.choice([b"", *PIECES, *CLOSERS]))
    return found


TOKENS = tokens()


def engine() -> Engine:
    return Engine(Vocabulary(TOKENS, [END]))


def constraints_of(shared: Engine) -> Constraints:
    return Constraints(lambda: shared)


def cpu_runner(directory: Path, shared: Engine) -> ModelRunner:
    model = make_tiny_model(directory, threads=1, vocab_size=VOCAB_SIZE)
    cache = allocate_kv_cache(model.config, model.ops, LIMITS.num_blocks, LIMITS.block_size)
    return ModelRunner(model, cache, LIMITS, constraints_of(shared))


class Writing:
    """What runs in the slots of a batch, and what waits for one."""

    def __init__(self, runner: Runner, jobs: Iterable[Job], num_slots: int) -> None:
        self._runner = runner
        self._waiting = deque(enumerate(jobs))
        self._free = list(range(num_slots))
        self._running: dict[int, FakeSequence] = {}  # by slot
        self._jobs: dict[int, Job] = {}  # by sequence id
        self._released: list[int] = []
        self.written: dict[int, Written] = {}  # by sequence id

    @property
    def is_over(self) -> bool:
        return not self._waiting and not self._running

    def step(self) -> None:
        self._fill()
        sequences = list(self._running.items())
        new = [one.introduction() for _, one in sequences if one.num_sent_blocks == 0]
        parts = [one.schedule() for _, one in sequences]
        output = self._runner.run(RunBatch(0, self._released, new, parts))
        self._released = []
        for (slot, sequence), sampled in zip(sequences, output.sequences, strict=True):
            sequence.take(sampled)
            is_last = len(sequence.output) == self._jobs[sequence.sequence_id].max_tokens
            if sampled.error or is_last or sequence.output[-1:] == [END]:
                self._leave(slot, sampled.error.message if sampled.error else None)

    def close(self) -> None:
        """Leaves the runner without sequences."""
        self._runner.run(RunBatch(0, self._released, [], []))

    def _fill(self) -> None:
        while self._waiting and self._free:
            (sequence_id, job), slot = self._waiting.popleft(), self._free.pop()
            blocks = range(BLOCKS_A_SEQUENCE * slot, BLOCKS_A_SEQUENCE * (slot + 1))
            grammar = job.program and msgspec.msgpack.encode(job.program)
            params = {"grammar": grammar, "seed": job.seed, **job.params}
            self._running[slot] = FakeSequence(sequence_id, PROMPT, list(blocks), **params)
            self._jobs[sequence_id] = job

    def _leave(self, slot: int, error: str | None) -> None:
        sequence = self._running.pop(slot)
        self._free.append(slot)
        self._released.append(sequence.sequence_id)
        output = sequence.output
        text = b"".join(TOKENS[token_id] for token_id in output)
        is_finished = END in output
        self.written[sequence.sequence_id] = Written(text, output, is_finished, error)


def write(runner: Runner, jobs: Iterable[Job], num_slots: int = 16) -> list[Written]:
    """In the order of `jobs`; leaves the runner empty."""
    writing = Writing(runner, jobs, num_slots)
    while not writing.is_over:
        writing.step()
    writing.close()
    return [writing.written[index] for index in sorted(writing.written)]


def state_after(program: Program, text: bytes) -> State | None:
    """By bytes alone: of an engine that has no tokens but bytes."""
    bytewise = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    return bytewise.start(program).advance_bytes(text)
