"""Refusals of JSON files name the file and the field."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from msgspec import Struct

from forge_common.checkpoint import json_file
from forge_common.checkpoint.json_file import read_json
from forge_common.errors import ModelError


class Point(Struct):
    x: int


def test_file_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": 3, "other": null}')
    assert read_json(tmp_path / "a.json", Point) == Point(3)


def test_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"a\.json: No such file"):
        read_json(tmp_path / "a.json", Point)


def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(ModelError, match=r"a\.json: Not a regular file"):
        read_json(tmp_path / "a.json", Point)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b'{"x": "1"}', b'{"x": 1e999}', b"\xff\xfe"])
def test_what_is_no_such_json_is_refused(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.json").write_bytes(text)
    with pytest.raises(ModelError, match=r"a\.json"):
        read_json(tmp_path / "a.json", Point)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", r"a\.json is not valid JSON: Input data was truncated"),
        ('{"x": 3,}', r"a\.json is not valid JSON: .*\(byte 8\)"),
        ("version https://git-lfs.github.com/spec/v1\n", r"a\.json is a git-lfs pointer, not the"),
    ],
)
def test_what_is_no_json_is_told_from_json_of_another_shape(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ModelError, match=sentence):
        read_json(tmp_path / "a.json", Point)


def test_field_at_fault_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": "1"}')
    with pytest.raises(ModelError, match=r"\$\.x"):
        read_json(tmp_path / "a.json", Point)


def test_deep_nesting_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"x": ' + "[" * 200_000)
    with pytest.raises(ModelError):
        read_json(tmp_path / "a.json", dict[str, object])


def test_long_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_file, "MAX_JSON_BYTES", 4)
    (tmp_path / "a.json").write_text('{"x": 3}')
    with pytest.raises(ModelError, match="longer than 4 bytes"):
        read_json(tmp_path / "a.json", Point)
