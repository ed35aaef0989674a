"""Models that only the CPU computes are refused with what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint.model_config import read_model_config
from forge_common.errors import ModelError
from forge_worker.cuda.supported import check_model

MODELS = Path(__file__).parents[2] / "golden" / "models"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mixtral", "experts"),
        ("qwen3_moe", "experts"),
    ],
)
def test_missing_feature_is_named(name: str, reason: str) -> None:
    with pytest.raises(ModelError, match=rf"{reason}.*use --backend cpu"):
        check_model(read_model_config(MODELS / name / "config.json"))


@pytest.mark.parametrize(
    "name", ["llama3", "qwen3", "phi3_long", "smollm3", "gemma2", "gemma3", "olmo2", "granite"]
)
def test_models_with_kernels_for_everything_pass(name: str) -> None:
    check_model(read_model_config(MODELS / name / "config.json"))
