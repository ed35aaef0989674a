"""Values come as the type they are asked for as, or not at all."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forge_common.checkpoint.gguf.container import read_container
from forge_common.checkpoint.gguf.metadata import Metadata
from forge_common.errors import ModelError
from tests.gguf_files import ARRAY, STRING, Typed, string_bytes, write_gguf

SCALARS = {
    0: ("<B", 200),
    1: ("<b", -3),
    2: ("<H", 60_000),
    3: ("<h", -300),
    4: ("<I", 2**31),
    5: ("<i", -(2**31)),
    10: ("<Q", 2**63),
    11: ("<q", -(2**63)),
}


def metadata_of(tmp_path: Path, **values: Any) -> Metadata:
    return read_container(write_gguf(tmp_path / "m.gguf", values)).metadata


@pytest.mark.parametrize("type_id", SCALARS)
def test_whole_numbers_of_every_width(tmp_path: Path, type_id: int) -> None:
    code, value = SCALARS[type_id]
    metadata = metadata_of(tmp_path, k=Typed(type_id, struct.pack(code, value)))
    assert metadata.integer("k") == value
    assert metadata.number("k") == float(value)


def test_other_scalars(tmp_path: Path) -> None:
    double = Typed(12, struct.pack("<d", 0.1))
    metadata = metadata_of(tmp_path, half=0.5, double=double, yes=True, no=False, text="é")
    assert metadata.number("half") == 0.5
    assert metadata.number("double") == 0.1
    assert metadata.boolean("yes") is True
    assert metadata.boolean("no") is False
    assert metadata.text("text") == "é"


def test_lists(tmp_path: Path) -> None:
    metadata = metadata_of(tmp_path, texts=["a", "", "ü"], ints=[3, -1], floats=[0.5, 2.0])
    assert metadata.texts("texts") == ["a", "", "ü"]
    assert metadata.integers("ints") == [3, -1]
    assert metadata.floats("floats") == [0.5, 2.0]
    assert metadata.floats("ints") == [3.0, -1.0]


def test_absent_key_is_none(tmp_path: Path) -> None:
    metadata = metadata_of(tmp_path)
    readers = (metadata.integer, metadata.number, metadata.boolean, metadata.text, metadata.texts)
    assert [read("k") for read in readers] == [None] * 5
    assert metadata.integers("k") is metadata.floats("k") is None


READERS: dict[str, Callable[[Metadata, str], object]] = {
    "integer": Metadata.integer,
    "number": Metadata.number,
    "boolean": Metadata.boolean,
    "text": Metadata.text,
    "texts": Metadata.texts,
    "integers": Metadata.integers,
    "floats": Metadata.floats,
}
VALUES = {"yes": True, "half": 0.5, "word": "x", "words": ["x"], "halves": [0.5], "seven": 7}
RIGHT = {
    ("integer", "seven"),
    ("number", "seven"),
    ("number", "half"),
    ("boolean", "yes"),
    ("text", "word"),
    ("texts", "words"),
    ("floats", "halves"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("key", VALUES)
def test_value_of_another_type_is_refused(tmp_path: Path, reader: str, key: str) -> None:
    metadata = metadata_of(tmp_path, **VALUES)
    if (reader, key) in RIGHT:
        assert READERS[reader](metadata, key) == VALUES[key]
        return
    with pytest.raises(ModelError, match=rf"m\.gguf: `{key}` should be "):
        READERS[reader](metadata, key)


@pytest.mark.parametrize("bits", [b"\0\0\x80\x7f", b"\0\0\xc0\x7f"])
def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, bits: bytes) -> None:
    with pytest.raises(ModelError, match="`k` should be a finite number"):
        metadata_of(tmp_path, k=Typed(6, bits)).number("k")


def test_list_with_a_text_that_is_none_is_refused(tmp_path: Path) -> None:
    raw = struct.pack("<IQ", STRING, 2) + string_bytes("a") + string_bytes(b"\xff")
    with pytest.raises(ModelError, match="`k` has a string that is no valid UTF-8"):
        metadata_of(tmp_path, k=Typed(ARRAY, raw)).texts("k")
