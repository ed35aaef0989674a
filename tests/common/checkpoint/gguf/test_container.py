"""What is in a GGUF file, and everything that can be wrong with one: a sentence each."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from forge_common.checkpoint.gguf.container import read_container
from forge_common.errors import ModelError
from tests.gguf_files import (
    ARRAY,
    STRING,
    FileTensor,
    Typed,
    gguf_bytes,
    string_bytes,
    tensor_bytes,
    u32,
    write_gguf,
)

ONE = FileTensor("F32", (2, 3), bytes(24))
BLOCKS = FileTensor("Q4_K", (2, 512), bytes(2 * 2 * 144))


def header(num_tensors: int, num_keys: int, version: int = 3) -> bytes:
    return b"GGUF" + struct.pack("<IQQ", version, num_tensors, num_keys)


def write(path: Path, raw: bytes) -> Path:
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("version", [2, 3])
def test_tensors_and_metadata_are_found(tmp_path: Path, version: int) -> None:
    raw = gguf_bytes({"x": "text"}, {"a": ONE, "b": BLOCKS}, version=version)
    metadata, tensors = read_container(write(tmp_path / "m.gguf", raw))
    assert metadata.text("x") == "text"
    assert (tensors["a"].dtype, tensors["a"].shape, tensors["a"].num_bytes) == ("F32", (2, 3), 24)
    assert (tensors["b"].dtype, tensors["b"].shape, tensors["b"].num_bytes) == (
        "Q4_K",
        (2, 512),
        576,
    )
    assert tensors["b"].offset == tensors["a"].offset + 32


def test_alignment_is_that_of_the_file(tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "m.gguf", {"general.alignment": 256}, {"a": ONE, "b": ONE})
    tensors = read_container(path).tensors
    assert [tensor.offset % 256 for tensor in tensors.values()] == [0, 0]
    assert tensors["b"].offset - tensors["a"].offset == 256


def test_file_without_tensors_is_sound(tmp_path: Path) -> None:
    assert read_container(write_gguf(tmp_path / "m.gguf", {})).tensors == {}


def placed(*tensors: tuple[str, FileTensor, int], data: bytes = bytes(64)) -> bytes:
    raw = header(len(tensors), 0) + b"".join(tensor_bytes(*tensor) for tensor in tensors)
    return raw + bytes(-len(raw) % 32) + data


def keyed(key: str | bytes, value: Typed) -> bytes:
    return header(0, 1) + string_bytes(key) + struct.pack("<I", value.type_id) + value.raw


LIST_OF_LISTS = Typed(ARRAY, struct.pack("<IQ", ARRAY, 1) + bytes(64))
ODD_LIST = Typed(ARRAY, struct.pack("<IQ", 77, 1) + bytes(64))
LONG_LIST = Typed(ARRAY, struct.pack("<IQ", 0, 2**40) + bytes(64))
LONG_STRINGS = Typed(ARRAY, struct.pack("<IQ", STRING, 3) + struct.pack("<Q", 2**63) + bytes(64))
BAD_TEXT = Typed(STRING, string_bytes(b"\xff\xfe"))
HUGE = FileTensor("F32", (2**40, 2**40), b"")
FLAT = FileTensor("F32", (), b"")
DEEP = FileTensor("F32", (1, 1, 1, 1, 1), b"")
HALF_BLOCK = FileTensor("Q4_K", (2, 128), b"")


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "is no GGUF file"),
        (b"GGML\x03\0\0\0", "is no GGUF file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is a git-lfs pointer"),
        (header(0, 0, version=1), "is version 1 of GGUF; Forge reads 2 and 3"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is big-endian"),
        (b"GGUF\x03\0\0\0\0", "the header ends inside the count of tensors"),
        (header(2**63, 0), f"the count of tensors says {2**63}, more than"),
        (header(0, 2**40), f"the count of metadata keys says {2**40}, more than"),
        (header(300_000, 0) + bytes(300_000 * 24), "has 300000 tensors and 0 keys"),
        (keyed("k", Typed(77, bytes(9))), "metadata `k` has the unknown type 77"),
        (keyed("k", LIST_OF_LISTS), "metadata `k` is a list of lists"),
        (keyed("k", ODD_LIST), "metadata `k` is a list of the unknown type 77"),
        (keyed("k", LONG_LIST), f"the length of metadata `k` says {2**40}, more than"),
        (keyed("k", LONG_STRINGS), "the header ends inside metadata `k`"),
        (keyed("k", BAD_TEXT), r"metadata `k` is no valid UTF-8"),
        (keyed(b"\xff", u32(1)), "the name of metadata key 0 is no valid UTF-8"),
        (header(0, 2) + keyed("k", u32(1))[24:] * 2, "metadata `k` stands there twice"),
        (keyed("general.alignment", u32(24)), r"`general\.alignment` \(24\) is no power of two"),
        (keyed("general.alignment", u32(0)), r"`general\.alignment` \(0\) is no power of two"),
        (placed(("a", FLAT, 0)), "tensor `a` has 0 dimensions"),
        (placed(("a", DEEP, 0)), "tensor `a` has 5 dimensions"),
        (placed(("a", HALF_BLOCK, 0)), "rows of 128 numbers, which are no whole blocks of Q4_K"),
        (placed(("a", HUGE, 0)), "tensor `a` ends beyond the end of the file"),
        (placed(("a", ONE, 2**63)), "tensor `a` ends beyond the end of the file"),
        (placed(("a", ONE, 0), ("b", ONE, 0)), "overlaps its neighbour or leaves a gap"),
        (placed(("a", ONE, 0), ("b", ONE, 16)), "overlaps its neighbour or leaves a gap"),
        (placed(("a", ONE, 32)), "overlaps its neighbour or leaves a gap"),
        (placed(("a", ONE, 0), ("a", ONE, 32)), "tensor `a` stands there twice"),
        (placed(("a", ONE, 0), ("b", ONE, 32), data=bytes(40)), "tensor `b` ends beyond the end"),
    ],
)
def test_unsound_file_is_one_sentence(tmp_path: Path, raw: bytes, sentence: str) -> None:
    with pytest.raises(ModelError, match=sentence) as refusal:
        read_container(write(tmp_path / "m.gguf", raw))
    assert str(refusal.value).startswith(str(tmp_path / "m.gguf"))


@pytest.mark.parametrize(("type_id", "name"), [(16, "is IQ2_XXS"), (99, "of the unknown type 99")])
def test_format_that_is_not_read_is_named(tmp_path: Path, type_id: int, name: str) -> None:
    raw = header(1, 0) + string_bytes("a") + struct.pack("<IQIQ", 1, 32, type_id, 0) + bytes(64)
    with pytest.raises(
        ModelError, match=rf"tensor `a` {name}|tensor `a` is {name}; Forge reads F32"
    ):
        read_container(write(tmp_path / "m.gguf", raw))


def test_absent_file_and_directory_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such file"):
        read_container(tmp_path / "absent.gguf")
    with pytest.raises(ModelError, match="Is a directory"):
        read_container(tmp_path)


def test_names_in_errors_are_cut(tmp_path: Path) -> None:
    raw = keyed("k" * 5000, Typed(77, b""))
    with pytest.raises(ModelError) as refusal:
        read_container(write(tmp_path / "m.gguf", raw))
    assert len(str(refusal.value)) < 400
