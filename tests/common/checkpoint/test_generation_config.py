"""Sampling defaults, present and absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint.generation_config import (
    GenerationDefaults,
    read_generation_defaults,
)
from forge_common.errors import ModelError
from tests.common.checkpoint.files import write_json


def defaults_of(directory: Path, **stated: object) -> GenerationDefaults:
    path = write_json(directory / "generation_config.json", stated)
    return read_generation_defaults(path, model_eos=(2,))


def test_absent_file_leaves_all_open_but_the_models_eos(tmp_path: Path) -> None:
    defaults = read_generation_defaults(tmp_path / "generation_config.json", model_eos=(2,))
    assert defaults == GenerationDefaults(eos_token_ids=(2,))


def test_stated_numbers_are_taken(tmp_path: Path) -> None:
    defaults = defaults_of(tmp_path, temperature=0.6, top_k=20, top_p=0.9, min_p=0.1)
    assert (defaults.temperature, defaults.top_k, defaults.top_p, defaults.min_p) == (
        0.6,
        20,
        0.9,
        0.1,
    )


@pytest.mark.parametrize("top_k", [0, -1, None])
def test_top_k_without_a_limit_is_none(tmp_path: Path, top_k: int | None) -> None:
    assert defaults_of(tmp_path, top_k=top_k).top_k is None


@pytest.mark.parametrize(("eos", "ids"), [(5, (5,)), ([5, 6], (5, 6)), (None, (2,)), ([], (2,))])
def test_stated_eos_goes_before_the_models(tmp_path: Path, eos: object, ids: object) -> None:
    assert defaults_of(tmp_path, eos_token_id=eos).eos_token_ids == ids


@pytest.mark.parametrize(
    ("field", "value"), [("temperature", -1), ("top_p", 2), ("repetition_penalty", 0)]
)
def test_out_of_bounds_is_refused_by_name(tmp_path: Path, field: str, value: float) -> None:
    with pytest.raises(ModelError, match=rf"generation_config\.json: .*{field}"):
        defaults_of(tmp_path, **{field: value})
