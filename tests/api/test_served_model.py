"""The name of the model, and what a directory must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_api.served_model import ServedModel, model_name
from forge_common.config import ModelSettings
from forge_common.errors import ModelError
from tests.integration.small_model import write_small_model


def test_the_name_is_the_directorys_unless_stated(tmp_path: Path) -> None:
    assert model_name(ModelSettings(model_path=str(tmp_path / "tiny"))) == "tiny"
    assert model_name(ModelSettings(model_path=str(tmp_path), served_model_name="x")) == "x"


def test_without_a_path_it_is_the_demo_model() -> None:
    assert model_name(ModelSettings()) == "forge-demo"


def test_a_model_is_loaded_from_its_directory(tmp_path: Path) -> None:
    write_small_model(tmp_path, eos_token_id=5)
    model = ServedModel.load(ModelSettings(model_path=str(tmp_path)))
    model.template.close()
    assert model.tokenizer.decode(model.tokenizer.encode("hello")) == "hello"
    assert model.defaults.eos_token_ids == (5,)


def test_a_missing_file_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        ServedModel.load(ModelSettings(model_path=str(tmp_path)))
