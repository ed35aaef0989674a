"""The bytes of single tokens, by the decoder a tokenizer.json describes."""

from __future__ import annotations

from typing import Any

import pytest
import tokenizers

from forge_common.errors import ModelError
from forge_common.tokenizer.token_decoder import byte_level_alphabet, parse_decoder


def test_the_byte_level_alphabet_is_that_of_the_library() -> None:
    assert set(byte_level_alphabet()) == set(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    assert sorted(byte_level_alphabet().values()) == list(range(256))


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {"type": "WordPiece"},
        {"type": "Sequence", "decoders": 3},
        {
            "type": "Sequence",
            "decoders": [{"type": "Strip", "content": "x", "start": 1, "stop": 0}],
        },
        {"type": "Replace", "pattern": {"Regex": "(a+)+"}, "content": ""},
        {"type": "Metaspace", "replacement": ""},
        {"type": ["ByteLevel"]},
        {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "Replace"}]},
    ],
)
def test_an_unknown_decoder_is_refused(tree: Any) -> None:
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        parse_decoder(tree)


def test_a_decoder_that_strips_nothing_is_known() -> None:
    """Gemma's: spaces are marked, none is put in front."""
    tree = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    }
    decoder = parse_decoder(tree)
    assert decoder.token_bytes("▁a") == b" a"
    assert decoder.token_bytes("<0x0A>") == b"\n"
    assert decoder.token_bytes("<0xZZ>") == b"<0xZZ>"
    assert decoder.num_stripped_spaces == 0
