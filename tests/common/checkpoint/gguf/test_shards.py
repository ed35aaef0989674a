"""A model in several files is one model, or the sentence that says which part is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forge_common.checkpoint.gguf.shards import find_in_directory, gguf_name, read_model
from forge_common.errors import ModelError
from tests.gguf_files import FileTensor, write_gguf

ROW = FileTensor("F32", (4,), bytes(16))


def write_part(directory: Path, number: int, count: int, *names: str, **changes: Any) -> Path:
    keys = {"split.no": number - 1, "split.count": count, "split.tensors.count": 3}
    metadata = {"general.name": "whole"} if number == 1 else {}
    metadata.update({**keys, **{key.replace("__", "."): v for key, v in changes.items()}})
    path = directory / f"m-{number:05d}-of-{count:05d}.gguf"
    return write_gguf(path, metadata, dict.fromkeys(names, ROW))


def write_set(directory: Path) -> Path:
    write_part(directory, 2, 3, "b")
    write_part(directory, 3, 3, "c")
    return write_part(directory, 1, 3, "a")


@pytest.mark.parametrize("number", [1, 2, 3])
def test_any_part_names_the_whole(tmp_path: Path, number: int) -> None:
    write_set(tmp_path)
    metadata, tensors = read_model(tmp_path / f"m-{number:05d}-of-00003.gguf")
    assert metadata.text("general.name") == "whole"
    assert {name: tensor.file.name[2:7] for name, tensor in tensors.items()} == {
        "a": "00001",
        "b": "00002",
        "c": "00003",
    }


def test_file_alone_is_the_whole(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", {"split.count": 1}, {"a": ROW})
    assert set(read_model(path).tensors) == {"a"}


def test_missing_part_is_named(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    (tmp_path / "m-00002-of-00003.gguf").unlink()
    with pytest.raises(ModelError, match=r"m-00002-of-00003\.gguf: this part of the model is miss"):
        read_model(path)


def test_part_of_another_place_is_refused(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_part(tmp_path, 2, 3, "b", split__no=2)
    with pytest.raises(ModelError, match="say it is another part than its name does"):
        read_model(path)


def test_tensor_in_two_parts_is_refused(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_part(tmp_path, 3, 3, "b")
    with pytest.raises(ModelError, match="tensor `b` is in two files"):
        read_model(path)


def test_tensors_that_are_missing_are_noticed(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_part(tmp_path, 3, 3)
    with pytest.raises(ModelError, match=r"the parts have 2 tensors, but `split\.tensors\.count`"):
        read_model(path)


def test_renamed_part_is_refused(tmp_path: Path) -> None:
    path = write_part(tmp_path, 1, 2, "a").rename(tmp_path / "m.gguf")
    with pytest.raises(ModelError, match="is a part of a model, but its name does not say which"):
        read_model(path)


@pytest.mark.parametrize("name", ["m-00000-of-00002.gguf", "m-00003-of-00002.gguf"])
def test_name_of_no_part_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="its name is that of no part of a model"):
        read_model(write_gguf(tmp_path / name, {}))


def test_one_model_in_a_directory_is_found(tmp_path: Path) -> None:
    assert find_in_directory(tmp_path) is None
    first = write_set(tmp_path)
    assert find_in_directory(tmp_path) == first
    write_gguf(tmp_path / "other.gguf", {})
    assert find_in_directory(tmp_path) is None


def test_name_is_that_of_the_file(tmp_path: Path) -> None:
    assert gguf_name(tmp_path / "llama-Q4_K_M.gguf") == "llama-Q4_K_M"
    assert gguf_name(tmp_path / "llama-00001-of-00003.gguf") == "llama"
