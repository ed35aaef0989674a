"""The tokenizer's files are read as JSON objects, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint.tokenizer_files import TokenizerFile, read_tokenizer_files
from forge_common.errors import ModelError
from tests.common.checkpoint.files import write_json


def test_both_files_are_read(tmp_path: Path) -> None:
    path = write_json(tmp_path / "tokenizer.json", {"decoder": {"type": "BPE"}, "model": {}})
    write_json(tmp_path / "tokenizer_config.json", {"bos_token": "<s>"})
    description = TokenizerFile(decoder={"type": "BPE"})
    expected = (path.read_bytes(), str(path), description, {"bos_token": "<s>"})
    assert read_tokenizer_files(tmp_path) == expected


def test_the_config_may_be_absent(tmp_path: Path) -> None:
    write_json(tmp_path / "tokenizer.json", {})
    assert read_tokenizer_files(tmp_path).config == {}


def test_absent_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no tokenizer\.json"):
        read_tokenizer_files(tmp_path)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_what_is_no_object_is_refused(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / "tokenizer.json", {})
    write_json(tmp_path / name, [1])
    with pytest.raises(ModelError, match=rf"/{name}: Expected `object`, got `array`"):
        read_tokenizer_files(tmp_path)
