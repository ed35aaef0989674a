"""Sound headers are read; hostile and broken ones are refused before anything is mapped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from forge_common.checkpoint.safetensors import TensorInfo, read_header
from forge_common.errors import ModelError
from tests.common.checkpoint.files import tensor, write_safetensors


def test_headers_of_the_reference_writer_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"x": np.zeros((2, 3), np.float32), "y": np.zeros(5, np.float16)}, path, {"k": "v"})
    tensors = read_header(path)
    assert {name: (info.dtype, info.shape) for name, info in tensors.items()} == {
        "x": ("F32", (2, 3)),
        "y": ("F16", (5,)),
    }


def test_offsets_count_from_the_start_of_the_file(tmp_path: Path) -> None:
    path = write_safetensors(tmp_path / "a", {"x": tensor(0, 8), "y": tensor(8, 12)}, bytes(12))
    start = path.stat().st_size - 12
    assert read_header(path)["y"] == TensorInfo("y", "F32", (1,), path, start + 8, 4)


def test_scalars_and_empty_tensors_are_sound(tmp_path: Path) -> None:
    header = {"x": tensor(0, 4, shape=[]), "y": tensor(4, 4, shape=[0, 7])}
    path = write_safetensors(tmp_path / "a", header, bytes(4))
    assert set(read_header(path)) == {"x", "y"}


@pytest.mark.parametrize(
    ("header", "num_data_bytes"),
    [
        ({"x": tensor(0, 8)}, 4),  # beyond the end
        ({"x": tensor(0, 4)}, 8),  # something follows
        ({"x": tensor(4, 8)}, 8),  # a gap before
        ({"x": tensor(0, 4), "y": tensor(8, 12)}, 12),  # a gap between
        ({"x": tensor(0, 8), "y": tensor(4, 12)}, 12),  # an overlap
        ({"x": tensor(0, 8), "y": tensor(0, 8)}, 8),  # twice the same bytes
        ({"x": tensor(0, 8, shape=[3])}, 8),  # size and shape differ
        ({"x": tensor(8, 0, shape=[2])}, 8),  # backwards
        ({"x": tensor(0, 8, shape=[2**61, 2**61])}, 8),
        ({"x": tensor(0, 8, shape=[-2, -1])}, 8),
        ({"x": tensor(-8, 0)}, 8),
        ({"x": tensor(0, 8, dtype="F7")}, 8),
        ({"x": 3}, 0),
        ([], 0),
        (b"{", 0),
        (b"\xff\xff", 0),
    ],
)
def test_unsound_files_are_refused(tmp_path: Path, header: object, num_data_bytes: int) -> None:
    path = write_safetensors(tmp_path / "bad.safetensors", header, bytes(num_data_bytes))
    with pytest.raises(ModelError, match=r"bad\.safetensors: "):
        read_header(path)


@pytest.mark.parametrize("content", [b"", b"1234567", b"\xff" * 8, b"\x09" + bytes(7) + b"{}"])
def test_lengths_beyond_the_file_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad").write_bytes(content)
    with pytest.raises(ModelError, match="bad: "):
        read_header(tmp_path / "bad")


def test_git_lfs_pointer_is_told_apart(tmp_path: Path) -> None:
    text = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
    (tmp_path / "model").write_text(text)
    with pytest.raises(ModelError, match="model is a git-lfs pointer, not the weights: run `git"):
        read_header(tmp_path / "model")


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="gone: No such file"):
        read_header(tmp_path / "gone")
