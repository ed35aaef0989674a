"""Quantised checkpoints that stay in their own bits say what their numbers say when widened."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge_common.backend_memory import kept_tensors
from forge_common.checkpoint import Checkpoint
from forge_common.device_blocks import kept_blocks
from forge_worker.cuda.device import Device
from forge_worker.cuda.layout import padding_bytes
from tests.quantized_files import Maker, ModelPair, awq, fp8, gptq, packed, write_pair
from tests.worker.cuda.test_block_models import (
    assert_near,
    engine_in_blocks,
    logprobs_of,
    widened,
)
from tests.worker.cuda.test_runner import on_cpu
from tests.worker.test_quantized_models import AWQ, FP8, GPTQ
from tests.worker.weights.test_packed_runs import grouped, sized

SIZES = {"hidden_size": 256, "intermediate_size": 384}
CASES: dict[str, tuple[dict[str, Any], Maker]] = {
    "gptq": (sized(GPTQ, 128, sym=False), gptq(4, 128, is_symmetric=False)),
    "awq": (sized(AWQ, 128), awq(128)),
    "packed": (grouped(32), packed()),
    "fp8": (FP8, fp8((None, None), "weight_scale")),
    "fp8 in blocks": ({**FP8, "weight_block_size": [128, 128]}, fp8((128, 128))),
}
SOME = ("q_proj", "k_proj", "v_proj", "down_proj")


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    yield
    gc.collect()


def pair_of(tmp_path: Path, case: str, *modules: str) -> ModelPair:
    stated, make = CASES[case]
    named = (modules,) if modules else ()
    return write_pair(tmp_path, stated, make, *named, **SIZES)


@pytest.mark.parametrize("case", CASES)
def test_tokens_are_those_of_the_dequantised_model(
    device: Device, tmp_path: Path, case: str
) -> None:
    pair = pair_of(tmp_path, case)
    ours = logprobs_of(engine_in_blocks(device, pair.quantized), 4)
    assert_near(ours, logprobs_of(widened(device, pair.plain), 4))


@pytest.mark.parametrize("case", ["gptq", "fp8"])
def test_and_those_of_the_cpu(device: Device, tmp_path: Path, case: str) -> None:
    pair = pair_of(tmp_path, case)
    ours = logprobs_of(engine_in_blocks(device, pair.quantized), 3)
    assert_near(ours, logprobs_of(on_cpu(str(pair.plain)), 3))


def test_weights_that_are_not_quantised_stand_beside(device: Device, tmp_path: Path) -> None:
    pair = pair_of(tmp_path, "gptq", *SOME)
    ours = logprobs_of(engine_in_blocks(device, pair.quantized), 2)
    assert_near(ours, logprobs_of(widened(device, pair.plain), 2))


@pytest.mark.parametrize("case", ["gptq", "fp8"])
def test_deterministic_logprobs_are_those_of_the_dequantised_model_bit_by_bit(
    device: Device, tmp_path: Path, case: str
) -> None:
    pair = pair_of(tmp_path, case)
    ours = logprobs_of(engine_in_blocks(device, pair.quantized, is_deterministic=True), 3)
    assert ours == logprobs_of(widened(device, pair.plain, is_deterministic=True), 3)


def test_plan_of_the_arena_is_exact(device: Device, tmp_path: Path) -> None:
    path = pair_of(tmp_path, "gptq").quantized
    engine = engine_in_blocks(device, path)
    with Checkpoint.open(path) as checkpoint:
        gaps = padding_bytes(checkpoint)
        assert kept_blocks(kept_tensors(checkpoint)).formats == ("I4_128",)
    assert 0 <= engine.arena.num_bytes - engine.arena.used_bytes <= gaps
