"""Vocabularies: every byte is a token, and a smaller one is the beginning of a larger one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.grammar import bpe

CORPUS = ["the cat sat on the mat, the end\n", 'été {"name": "value"}\n'] * 20
NUM_TOKENS = 300


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("bpe") / "tokenizer.json"
    file.write_text(bpe.train(iter(CORPUS), NUM_TOKENS).to_str(), encoding="utf-8")
    return file


def test_tokens_spell_what_was_encoded(file: Path) -> None:
    loaded = bpe.load(file)
    ids = loaded.encoder.encode(CORPUS[1] + "東").ids
    assert b"".join(loaded.tokens[token_id] for token_id in ids).decode() == CORPUS[1] + "東"


def test_every_byte_is_a_token_and_the_end_has_none(file: Path) -> None:
    loaded = bpe.load(file)
    assert {bytes([byte]) for byte in range(256)} <= set(loaded.tokens)
    assert loaded.tokens[loaded.end_id] == b""


def test_beginning_is_what_a_shorter_training_gives(file: Path, tmp_path: Path) -> None:
    shorter = tmp_path / "shorter.json"
    shorter.write_text(bpe.beginning(file.read_text(encoding="utf-8"), 280), encoding="utf-8")
    trained = tmp_path / "trained.json"
    trained.write_text(bpe.train(iter(CORPUS), 280).to_str(), encoding="utf-8")
    assert bpe.load(shorter).tokens == bpe.load(trained).tokens
    assert (
        bpe.load(shorter).encoder.encode(CORPUS[0]).ids
        == bpe.load(trained).encoder.encode(CORPUS[0]).ids
    )


def test_text_is_not_more_than_was_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bpe, "MAX_TEXT_BYTES", 15)
    files = [tmp_path / name for name in "abc"]
    for each in files:
        each.write_text("0123456789")
    files.insert(1, tmp_path / "binary")
    files[1].write_bytes(b"\xff\xfe")
    assert list(bpe.texts(iter(files))) == ["0123456789", "0123456789"]
