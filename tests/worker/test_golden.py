"""Every family against HuggingFace's logits and greedy tokens, through the paged path."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from forge_common.config import DeviceSettings
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

# Of the largest logit, what roundings of a whole model come to: measured, up to four of one each.
ROUNDING = {"bf16": 2.0**-6, "f16": 2.0**-9}
HALF = [name for name in NAMES if name.rpartition("_")[2] in ROUNDING]


@cache
def model_of(name: str) -> Model:
    return load_model(MODELS / name, DeviceSettings(cpu_kernels="numpy"), lambda done, total: None)


@pytest.mark.parametrize("name", NAMES)
def test_logits_equal_the_reference(name: str) -> None:
    logits = Runner(model_of(name)).step(prompts(name))
    for i in range(NUM_PROMPTS):
        assert relative_error(logits[i][-1], golden(name)[f"logits_{i}"]) <= 1e-4
    assert relative_error(logits[DENSE_PROMPT], golden(name)["dense_logits"]) <= 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_greedy_tokens_equal_the_reference_for_64_steps(name: str) -> None:
    chosen = Runner(model_of(name)).greedy(prompts(name), num_tokens=64)
    for i in range(NUM_PROMPTS):
        assert chosen[i] == golden(name)[f"greedy_{i}"].tolist()


@pytest.mark.parametrize("name", HALF)
def test_half_precision_agrees_where_the_native_margin_exceeds_rounding(name: str) -> None:
    native = golden(name)["native_logits"]
    best_two = np.sort(native, axis=-1)[:, -2:]
    rounding = ROUNDING[name.rpartition("_")[2]] * np.abs(native).max()
    is_clear = best_two[:, 1] - best_two[:, 0] > rounding
    ours = Runner(model_of(name)).step({0: prompts(name)[DENSE_PROMPT]})[0]
    assert is_clear.sum() > len(native) / 2
    assert (ours.argmax(-1) == native.argmax(-1))[is_clear].all()
