"""A real model behind the runner: the same request gives the same tokens however it is run."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from forge_common.config import DeviceSettings
from forge_common.protocol.scheduler_worker import RunBatch
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from tests.worker.fakes import LIMITS, FakeSequence, generate, no_grammars, step

MODELS = Path(__file__).parent.parent / "golden" / "models"
PROMPT = [3, 14, 15, 9, 26, 53, 58, 9, 79, 32, 38]
NUM_TOKENS = 24
PARAMS = {"temperature": 0.9, "top_p": 0.95, "frequency_penalty": 0.3, "seed": 11}

pytestmark = pytest.mark.parametrize(
    "name",
    [
        *("llama3", "mistral", "qwen3", "llama3 q8_0", "mistral bf16"),
        *("gemma3 int8 KV", "qwen3 fp8 KV"),
    ],
)
DEVICES = {
    "": DeviceSettings(threads=1, cpu_kernels="numpy"),
    "q8_0": DeviceSettings(threads=2, quantize="q8_0"),
    "bf16": DeviceSettings(threads=2, dtype="bfloat16"),
    "int8 KV": DeviceSettings(threads=2, kv_dtype="int8"),
    "fp8 KV": DeviceSettings(threads=2, kv_dtype="fp8"),
}


@cache
def model_of(name: str) -> Model:
    """Of a family, on the device that the rest of the name says."""
    family, _, device = name.partition(" ")
    return load_model(MODELS / family, DEVICES[device], lambda done, total: None)


def runner_of(name: str, block_size: int = LIMITS.block_size) -> ModelRunner:
    model = model_of(name)
    limits = LIMITS._replace(vocab_size=model.config.vocab_size, block_size=block_size)
    cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, block_size)
    return ModelRunner(model, cache, limits, no_grammars())


def sequence_of(blocks: range = range(16), **changes) -> FakeSequence:
    return FakeSequence(1, PROMPT, list(blocks), **{**PARAMS, **changes})


@cache
def alone(name: str) -> list[int]:
    sequence = sequence_of()
    generate(runner_of(name), sequence, num_tokens=NUM_TOKENS)
    return sequence.output


def test_batch_equals_alone(name) -> None:
    sequence = sequence_of(range(63, 47, -1))
    others = [
        FakeSequence(i, [i, 50, 60][: i - 1], list(range(16 * (i - 2), 16 * (i - 1))), seed=i)
        for i in (2, 3, 4)
    ]
    generate(runner_of(name), *others[:2], sequence, others[2], num_tokens=NUM_TOKENS)
    assert sequence.output == alone(name)


def test_chunked_equals_whole(name) -> None:
    runner, sequence = runner_of(name), sequence_of()
    for _ in range(3):
        step(runner, sequence, num_tokens=3)
    generate(runner, sequence, num_tokens=NUM_TOKENS)
    assert sequence.output == alone(name)


def test_preempted_equals_undisturbed(name) -> None:
    runner, sequence = runner_of(name), sequence_of()
    generate(runner, sequence, num_tokens=10)
    sequence.start_over(list(range(40, 56)))
    generate(runner, sequence, num_tokens=NUM_TOKENS - 10)
    assert sequence.output == alone(name)


def test_naive_equals_paged(name) -> None:
    runner, sequence = runner_of(name, LIMITS.max_model_len), sequence_of(range(5, 6))
    for _ in range(NUM_TOKENS):
        new = [] if sequence.num_sent_blocks else [sequence.introduction()]
        part = sequence.schedule(block_size=LIMITS.max_model_len)
        sequence.take(runner.run(RunBatch(0, [], new, [part])).sequences[0])
    assert sequence.output == alone(name)
