"""Streaming text: the same as decoding everything at once, and never half a character."""

from __future__ import annotations

from itertools import chain

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from forge_api.detokenizer import Detokenizer
from tests.small_tokenizers import (
    byte_level_encoder,
    make_tokenizer,
    metaspace_encoder,
    sentencepiece_encoder,
)

ENCODERS = [byte_level_encoder(), sentencepiece_encoder(), metaspace_encoder()]
groups = st.lists(st.lists(st.integers(0, 340), max_size=6), max_size=8)


@given(st.sampled_from(ENCODERS), groups, st.booleans())
def test_deltas_join_to_the_decoded_whole(
    encoder: tokenizers.Tokenizer, groups: list[list[int]], skip: bool
) -> None:
    tokenizer = make_tokenizer(encoder)
    detokenizer = Detokenizer(tokenizer, skip)
    streamed = "".join(map(detokenizer.push, groups)) + detokenizer.flush()
    assert streamed == tokenizer.decode(list(chain(*groups)), skip)


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize("text", ["hello world", "你好 🙂 wörld", "  two  spaces ", "a\n\nb"])
def test_text_comes_back_one_token_at_a_time(encoder: tokenizers.Tokenizer, text: str) -> None:
    token_ids = encoder.encode(text).ids
    detokenizer = Detokenizer(make_tokenizer(encoder), skip_special_tokens=False)
    streamed = "".join(detokenizer.push([token_id]) for token_id in token_ids)
    assert streamed + detokenizer.flush() == encoder.decode(token_ids, skip_special_tokens=False)


def test_half_a_character_is_held_back() -> None:
    encoder = byte_level_encoder()
    bear = encoder.encode("🐻").ids
    detokenizer = Detokenizer(make_tokenizer(encoder), skip_special_tokens=True)
    assert len(bear) > 1
    assert [detokenizer.push([token_id]) for token_id in bear] == [""] * (len(bear) - 1) + ["🐻"]


def test_a_character_never_finished_ends_as_a_replacement() -> None:
    encoder = byte_level_encoder()
    detokenizer = Detokenizer(make_tokenizer(encoder), skip_special_tokens=True)
    assert detokenizer.push([encoder.token_to_id("ð")]) == ""
    assert detokenizer.flush() == "\ufffd"


def test_the_space_before_a_first_word_is_dropped_unless_it_continues_a_text() -> None:
    encoder = sentencepiece_encoder()
    hello = encoder.encode("hello").ids
    tokenizer = make_tokenizer(encoder)
    assert Detokenizer(tokenizer, True).push(hello) == "hello"
    assert Detokenizer(tokenizer, True, is_continuation=True).push(hello) == " hello"


def test_a_skipped_special_token_does_not_count_as_the_start() -> None:
    encoder = sentencepiece_encoder()
    token_ids = [encoder.token_to_id("<s>"), *encoder.encode("hello").ids]
    assert Detokenizer(make_tokenizer(encoder), True).push(token_ids) == "hello"
    assert Detokenizer(make_tokenizer(encoder), False).push(token_ids) == "<s> hello"


def test_special_tokens_that_matter_are_shown_though_others_are_skipped() -> None:
    tokenizer = make_tokenizer(byte_level_encoder(), additional_special_tokens=["<think>"])
    kept = frozenset(tokenizer.encode("<think>"))
    assert len(kept) == 1
    token_ids = tokenizer.encode("<|im_start|><think>hello<|im_end|>")
    for kept_ids, text in ((frozenset(), "hello"), (kept, "<think>hello")):
        detokenizer = Detokenizer(tokenizer, True, kept_special_ids=kept_ids)
        assert detokenizer.push(token_ids) == text
