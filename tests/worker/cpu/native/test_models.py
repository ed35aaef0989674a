"""Whole models: native float32 gives the tokens of the reference, whatever the family."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.config import DeviceSettings
from forge_common.demo_model import demo_model_path
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from tests.worker.forward import Runner
from tests.worker.golden_models import (
    DENSE_PROMPT,
    MODELS,
    NAMES,
    NUM_PROMPTS,
    golden,
    prompts,
    relative_error,
)

EXACT = DeviceSettings(threads=2, dtype="float32", kv_dtype="float32")
NUMPY = DeviceSettings(threads=1, cpu_kernels="numpy")


def load(path: Path, settings: DeviceSettings) -> Model:
    return load_model(path, settings, lambda done, total: None)


@pytest.mark.parametrize("name", NAMES)
def test_logits_and_greedy_tokens_equal_the_reference(name: str) -> None:
    model = load(MODELS / name, EXACT)
    logits = Runner(model).step(prompts(name))
    for i in range(NUM_PROMPTS):
        assert relative_error(logits[i][-1], golden(name)[f"logits_{i}"]) <= 1e-4
    assert relative_error(logits[DENSE_PROMPT], golden(name)["dense_logits"]) <= 1e-4
    chosen = Runner(model).greedy(prompts(name), num_tokens=64)
    for i in range(NUM_PROMPTS):
        assert chosen[i] == golden(name)[f"greedy_{i}"].tolist()


def test_the_demo_model_says_the_same_as_with_numpy() -> None:
    path = demo_model_path()
    sequences = {0: [5, 60, 7, 300], 1: list(range(10, 45)), 2: [1]}
    ours = Runner(load(path, EXACT)).greedy(sequences, num_tokens=40)
    assert ours == Runner(load(path, NUMPY)).greedy(sequences, num_tokens=40)


@pytest.mark.parametrize(("quantize", "limit"), [("none", 0.02), ("q8_0", 0.06)])
def test_narrow_weights_stay_near_the_reference(quantize: str, limit: float) -> None:
    path = MODELS / "llama_bf16"
    settings = DeviceSettings(threads=2, quantize=quantize)  # type: ignore[arg-type]
    token_ids = {0: list(range(3, 40))}
    ours, reference = (
        Runner(load(path, device)).step(token_ids)[0] for device in (settings, NUMPY)
    )
    assert relative_error(ours, reference) <= limit
