"""Both generations of rope fields, every scaling, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint.model_config import read_model_config
from forge_common.checkpoint.rope_scaling import (
    DynamicScaling,
    LinearScaling,
    Llama3Scaling,
    RopeScaling,
    YarnScaling,
)
from forge_common.errors import ModelError
from tests.common.checkpoint.files import write_config

LLAMA3 = {
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


def scaling_of(directory: Path, **changes: object) -> RopeScaling | None:
    return read_model_config(write_config(directory, **changes)).ropes[0].scaling


@pytest.mark.parametrize("kind", ["type", "rope_type"])
@pytest.mark.parametrize("field", ["rope_scaling", "rope_parameters"])
def test_kind_is_read_under_every_name(tmp_path: Path, kind: str, field: str) -> None:
    scaling = scaling_of(tmp_path, **{field: {kind: "linear", "factor": 2}})
    assert scaling == LinearScaling(factor=2.0)


@pytest.mark.parametrize("stated", [None, {}, {"rope_type": "default", "rope_theta": 7e4}])
def test_plain_embedding_has_no_scaling(tmp_path: Path, stated: object) -> None:
    assert scaling_of(tmp_path, rope_parameters=stated) is None


def test_theta_among_the_parameters_counts(tmp_path: Path) -> None:
    path = write_config(tmp_path, rope_theta=1e4, rope_parameters={"rope_theta": 7e4})
    assert read_model_config(path).ropes[0].theta == 7e4


def test_llama3_parameters(tmp_path: Path) -> None:
    scaling = scaling_of(tmp_path, rope_scaling={"rope_type": "llama3", **LLAMA3})
    assert scaling == Llama3Scaling(**LLAMA3)


def test_yarn_counts_from_the_models_length_by_default(tmp_path: Path) -> None:
    scaling = scaling_of(tmp_path, rope_scaling={"type": "yarn", "factor": 4.0, "finetuned": True})
    assert scaling == YarnScaling(factor=4.0, original_max_position_embeddings=64)


def test_dynamic_always_counts_from_the_models_length(tmp_path: Path) -> None:
    stated = {"type": "dynamic", "factor": 4.0, "original_max_position_embeddings": 8}
    scaling = scaling_of(tmp_path, rope_scaling=stated)
    assert scaling == DynamicScaling(factor=4.0, original_max_position_embeddings=64)


@pytest.mark.parametrize(
    "stated",
    [
        {"rope_type": "linear"},
        {"rope_type": "linear", "factor": 0.5},
        {"rope_type": "linear", "factor": 2.0, "unheard_of": 1},
        {"rope_type": "longrope", "factor": 2.0},
        {"rope_type": ["linear"]},
        {"rope_type": "llama3", **LLAMA3, "high_freq_factor": 1.0},
        {"rope_type": "default", "mrope_section": [1, 2]},
        {"rope_type": "linear", "factor": 2.0, "partial_rotary_factor": 0.5},
        {"full_attention": {"rope_type": "default"}},
    ],
)
def test_unusable_parameters_are_refused(tmp_path: Path, stated: object) -> None:
    with pytest.raises(ModelError, match=r"config\.json: rope parameters: "):
        scaling_of(tmp_path, rope_parameters=stated)
