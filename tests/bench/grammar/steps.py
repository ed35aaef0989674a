"""What grammars add to a step: 64 sequences of the 110 M model, each under a schema of its own.

The same sequences are stepped with and without grammars in turns. With them every state is new, as
the texts of random weights are; so this is the worst that a server meets, not the usual. Both have
their blocks in one KV cache, as all that a worker runs: with another cache than the last step's, a
model has to launch its kernels one by one.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec import Struct

from forge_common.config import DeviceSettings
from forge_common.grammar.engine import Engine as GrammarEngine
from forge_common.grammar.spec import JsonSchema, compile_spec
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.protocol.scheduler_worker import NewSequence, RunBatch, ScheduledSequence
from forge_common.sampling import SamplingParams
from forge_worker.blas_environment import prepare_blas
from forge_worker.constraints import Constraints
from forge_worker.cpu_cores import LendCore, available_threads
from forge_worker.grammar_budget import UNHURRIED
from forge_worker.grammar_engine import spare_collections
from forge_worker.kv_cache import KVCache, allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import HostModel, load_host_model
from forge_worker.sequence_mirror import Limits
from tests.bench.grammar import bpe
from tests.bench.grammar.generator import generated_cases
from tests.bench.random_model import SHAPE_110M, write_random_model
from tests.worker.fakes import no_grammars

NUM_SEQUENCES = 64
BLOCK_SIZE = 16
BLOCKS_A_SEQUENCE = 4
NUM_BLOCKS = NUM_SEQUENCES * BLOCKS_A_SEQUENCE  # of one kind of sequences
PROMPT_TOKENS = 4
NUM_STEPS = 44
NUM_WARM_UPS = 3
SEED = 3
ENDLESS = 10_000
GOAL = 1.10


class StepTimes(Struct):
    """Medians; a ratio is that of neighbouring steps."""

    plain_s: float
    constrained_s: float
    ratio: float
    cpu_ratio: float  # of all threads, which neighbours on the machine disturb less


class Taken(NamedTuple):
    """By a step."""

    wall_s: float
    cpu_s: float


def measure() -> StepTimes:
    with tempfile.TemporaryDirectory() as directory:
        write_random_model(Path(directory), SHAPE_110M)
        settings = DeviceSettings(backend="cpu", threads=available_threads())
        loaded = load_host_model(Path(directory), settings, lambda done, total: None)
        constraints = _constraints(loaded.lend_core)
        kv_cache = new_kv_cache(loaded)
        plain = Steps(loaded, no_grammars(), Blocks(kv_cache, 0))
        constrained = Steps(loaded, constraints, Blocks(kv_cache, NUM_BLOCKS))
        plain.begin([None] * NUM_SEQUENCES)
        constrained.begin(list(islice(_grammars(), NUM_SEQUENCES)))
        pairs = [(plain.step(), constrained.step()) for _ in range(NUM_STEPS)][NUM_WARM_UPS:]
    return StepTimes(
        median(without.wall_s for without, _ in pairs),
        median(with_.wall_s for _, with_ in pairs),
        median(with_.wall_s / without.wall_s for without, with_ in pairs),
        median(with_.cpu_s / without.cpu_s for without, with_ in pairs),
    )


def _constraints(lend_core: LendCore) -> Constraints:
    tokens = bpe.load(bpe.file_of_size(SHAPE_110M.vocab_size))
    padding = [b""] * (SHAPE_110M.vocab_size - len(tokens.tokens))
    engine = GrammarEngine(Vocabulary([*tokens.tokens, *padding], [tokens.end_id]))
    engine.warm()
    spare_collections()
    return Constraints(lambda: engine, UNHURRIED, lend_core)


def _grammars() -> Iterator[bytes]:
    """In lists that are never long enough, so that no sequence ends."""
    for case in generated_cases(SEED, NUM_SEQUENCES):
        schema = {"type": "array", "items": case.schema, "minItems": ENDLESS}
        yield msgspec.msgpack.encode(compile_spec(JsonSchema(schema)))


class Blocks(NamedTuple):
    """A part of a KV cache: so many as NUM_SEQUENCES need, from `first` on."""

    kv_cache: KVCache
    first: int


def new_kv_cache(loaded: HostModel) -> KVCache:
    model = loaded.model
    return allocate_kv_cache(model.config, model.ops, 2 * NUM_BLOCKS, BLOCK_SIZE)


class Steps:
    """`begin`, then one more token for each sequence a call."""

    def __init__(self, loaded: HostModel, constraints: Constraints, blocks: Blocks) -> None:
        limits = Limits(
            max_batch_size=NUM_SEQUENCES,
            max_model_len=BLOCK_SIZE * BLOCKS_A_SEQUENCE,
            vocab_size=SHAPE_110M.vocab_size,
            num_blocks=2 * NUM_BLOCKS,
            block_size=BLOCK_SIZE,
        )
        self._runner = ModelRunner(
            loaded.model, blocks.kv_cache, limits, constraints, loaded.make_sampler
        )
        self._first_block = blocks.first
        self._num_computed = 0
        self._new: list[NewSequence] = []

    def begin(self, grammars: list[bytes | None]) -> None:
        self._new = [_sequence(index, grammar) for index, grammar in enumerate(grammars)]
        self.step()

    def step(self) -> Taken:
        num_tokens = 1 if self._num_computed else PROMPT_TOKENS
        scheduled = [
            ScheduledSequence(index, self._num_computed, num_tokens, self._new_blocks(index), True)
            for index in range(NUM_SEQUENCES)
        ]
        batch = RunBatch(self._num_computed, [], self._new, scheduled)
        started = Taken(perf_counter(), process_time())
        output = self._runner.run(batch)
        taken = Taken(perf_counter() - started.wall_s, process_time() - started.cpu_s)
        if failed := [sequence.error for sequence in output.sequences if sequence.error]:
            raise RuntimeError(failed[0])
        self._num_computed += num_tokens
        self._new = []
        return taken

    def _new_blocks(self, index: int) -> list[int]:
        if self._num_computed:
            return []
        first = self._first_block + index * BLOCKS_A_SEQUENCE
        return list(range(first, first + BLOCKS_A_SEQUENCE))


def _sequence(index: int, grammar: bytes | None) -> NewSequence:
    sampling = SamplingParams(
        max_tokens=999, seed=index, temperature=0.8, top_p=0.95, top_k=50, grammar=grammar
    )
    random = np.random.default_rng(index)
    prompt = random.integers(3, SHAPE_110M.vocab_size, PROMPT_TOKENS).tolist()
    return NewSequence(index, index, prompt, PROMPT_TOKENS, sampling)


def main() -> None:
    prepare_blas(os.environ)
    sys.stdout.buffer.write(msgspec.json.encode(measure()))


if __name__ == "__main__":
    main()
