"""Sampling 32 rows of a 128k vocabulary, which must not cost more than a 100 M model's step."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from forge_common.config import DeviceSettings
from forge_common.instruction_set import host_instruction_set
from forge_common.protocol.scheduler_worker import NewSequence, RunBatch, ScheduledSequence
from forge_common.sampling import SamplingParams
from forge_worker.model_runner import ModelRunner
from forge_worker.sampler.sampler import MakeSampler, Sampler
from forge_worker.sequence_mirror import Limits
from tests.bench.report import Figure, alternate
from tests.worker.fakes import no_grammars

VOCAB_SIZE = 128_256
BATCH_SIZE = 32
PROMPT_TOKENS = 8
ROUNDS = 9

SETTINGS = {
    "greedy": SamplingParams(max_tokens=999, seed=1, temperature=0.0),
    "temperature 0.8, top-k 50, top-p 0.95": SamplingParams(
        max_tokens=999, seed=1, temperature=0.8, top_k=50, top_p=0.95
    ),
    "temperature 0.8, top-p 0.95": SamplingParams(
        max_tokens=999, seed=1, temperature=0.8, top_p=0.95
    ),
    "temperature 1, unfiltered": SamplingParams(max_tokens=999, seed=1),
    "temperature 0.8, top-k 50, penalties": SamplingParams(
        max_tokens=999, seed=1, temperature=0.8, top_k=50, repetition_penalty=1.1,
        frequency_penalty=0.2,
    ),
}  # fmt: skip


class LogitsOnly:
    """A model that costs nothing: its logits are the same normal noise, peaked as real ones are."""

    def __init__(self) -> None:
        noise = np.random.default_rng(0).standard_normal((BATCH_SIZE, VOCAB_SIZE), np.float32)
        self._logits = 3 * noise

    def hidden(self, inputs: object, kv_cache: object) -> np.ndarray:
        return np.zeros((BATCH_SIZE, 1), np.float32)

    def logits(self, hidden: np.ndarray) -> np.ndarray:
        return self._logits.copy()


class Steps:
    """One sampled token for each row a call."""

    def __init__(self, sampling: SamplingParams, make_sampler: MakeSampler) -> None:
        limits = Limits(
            max_batch_size=BATCH_SIZE,
            max_model_len=1024,
            vocab_size=VOCAB_SIZE,
            num_blocks=BATCH_SIZE * 64,
            block_size=16,
        )
        self.runner = ModelRunner(LogitsOnly(), None, limits, no_grammars(), make_sampler)
        self.num_computed = 0
        prompt = list(range(PROMPT_TOKENS))
        self.new = [
            NewSequence(i, i % 16, prompt, PROMPT_TOKENS, sampling) for i in range(BATCH_SIZE)
        ]
        self()

    def __call__(self) -> None:
        num_tokens = 1 if self.num_computed else PROMPT_TOKENS
        scheduled = [
            ScheduledSequence(
                i, self.num_computed, num_tokens, [] if self.num_computed else [2 * i, 2 * i + 1],
                True,
            )
            for i in range(BATCH_SIZE)
        ]  # fmt: skip
        self.runner.run(RunBatch(self.num_computed, [], self.new, scheduled))
        self.num_computed += num_tokens
        self.new = []


def samplers() -> dict[str, MakeSampler]:
    found: dict[str, MakeSampler] = {"NumPy": partial(Sampler, num_threads=2)}
    instructions = host_instruction_set("auto")
    if instructions is not None:
        from forge_worker.cpu.native.start import make_native_sampler, native_ops

        ops = native_ops(instructions, DeviceSettings(), num_threads=2)
        found["native"] = make_native_sampler(ops)
    return found


def measure() -> Iterator[Figure]:
    for name, sampling in SETTINGS.items():
        steps = {kind: Steps(sampling, make) for kind, make in samplers().items()}
        for kind, seconds in alternate(steps, ROUNDS).items():
            yield Figure(
                f"sampling {BATCH_SIZE} × {VOCAB_SIZE:,}: {name}, {kind}",
                seconds * 1e3,
                "ms",
                "≤ a step of the 110M model",
            )
