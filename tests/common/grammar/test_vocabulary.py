"""Tokens as bytes and as bits, and which of them are never allowed."""

from __future__ import annotations

import numpy as np

from forge_common.grammar.program import SPECIAL, special_token
from forge_common.grammar.vocabulary import MAX_TOKEN_BYTES, Vocabulary, Words
from tests.common.grammar.engine.vocabularies import demo_vocabulary


def ids_of(words: Words) -> list[int]:
    return np.flatnonzero(np.unpackbits(words.view(np.uint8), bitorder="little")).tolist()


def test_token_is_a_bit_of_a_word() -> None:
    vocabulary = Vocabulary([bytes([32 + index]) for index in range(70)])
    words = vocabulary.words(np.array([0, 33, 69], np.int32))
    assert words.dtype == np.uint32
    assert words.tolist() == [1, 2, 1 << 5]
    assert vocabulary.allows(words, 33)
    assert not vocabulary.allows(words, 34)


def test_tokens_of_equal_bytes_are_allowed_together() -> None:
    vocabulary = Vocabulary([b"a", b"b", b"a", b"ab", b"a"])
    first = int(vocabulary.trie.token_at[vocabulary.trie.child(0, ord("a"))])
    assert first == 0
    assert ids_of(vocabulary.words(np.array([first], np.int32))) == [0, 2, 4]


def test_end_tokens_and_empty_and_overlong_ones_are_no_text() -> None:
    vocabulary = Vocabulary([b"</s>", b"", b"a", b"a" * (MAX_TOKEN_BYTES + 1)], end_ids=[0])
    assert [vocabulary.token_bytes(token_id) for token_id in range(-1, 5)] == [
        *(b"", b"", b"", b"a", b"", b""),
    ]
    assert vocabulary.longest_token == 1
    assert ids_of(vocabulary.with_ends(vocabulary.words(np.array([2], np.int32)))) == [0, 2]


def test_special_tokens_of_a_tokenizer_are_told_from_their_text() -> None:
    vocabulary = demo_vocabulary()
    (end_id,) = vocabulary.end_ids
    assert vocabulary.token_bytes(end_id) == b""
    assert b"<|im_start|>" not in vocabulary.tokens
    assert special_token(b"<|im_start|>") in vocabulary.tokens


def test_byte_that_marks_special_tokens_is_in_no_other() -> None:
    tokens = set(demo_vocabulary().tokens)
    assert {bytes([byte]) for byte in range(255)} <= tokens
    assert SPECIAL not in tokens
