"""A model is found whatever its files: a directory, a GGUF file, or a directory with one."""

from __future__ import annotations

from pathlib import Path

from forge_common.checkpoint import model_files
from forge_common.checkpoint.directory import ModelDirectory
from forge_common.checkpoint.gguf import GgufModel
from forge_common.checkpoint.model_files import name_of
from tests.common.checkpoint.files import write_config
from tests.common.checkpoint.gguf.small_model import metadata, tensors
from tests.gguf_files import write_gguf


def test_directory_is_one_of_huggingface(tmp_path: Path) -> None:
    write_config(tmp_path)
    assert isinstance(model_files(tmp_path), ModelDirectory)
    assert name_of(tmp_path) == tmp_path.name


def test_file_is_a_gguf_model(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "tiny-Q8_0.gguf", metadata(), tensors())
    assert model_files(path).config().hidden_size == 32
    assert name_of(path) == "tiny-Q8_0"


def test_directory_may_hold_a_gguf_model(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", metadata(), tensors())
    assert isinstance(model_files(tmp_path), GgufModel)
    assert name_of(tmp_path) == "tiny"


def test_config_json_comes_before_a_gguf_file_beside_it(tmp_path: Path) -> None:
    write_config(tmp_path)
    write_gguf(tmp_path / "tiny.gguf", metadata(), tensors())
    assert isinstance(model_files(tmp_path), ModelDirectory)
    assert name_of(tmp_path) == tmp_path.name


def test_directory_named_like_a_file_is_a_directory(tmp_path: Path) -> None:
    directory = tmp_path / "m.gguf"
    directory.mkdir()
    write_config(directory)
    assert isinstance(model_files(directory), ModelDirectory)
    assert name_of(directory) == "m.gguf"
