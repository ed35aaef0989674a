"""Forced text is spelled as the tokenizer has it, from wherever it begins."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from forge_common.demo_model import demo_model_path
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.tokenizer import Tokenizer
from forge_worker.spelling import Spelling
from tests.small_tokenizers import (
    byte_level_encoder,
    make_tokenizer,
    metaspace_encoder,
    sentencepiece_encoder,
)

DEMO = Tokenizer.open(demo_model_path())
KINDS: dict[str, Callable[[], Tokenizer]] = {
    "demo model": lambda: DEMO,
    "byte level": lambda: make_tokenizer(byte_level_encoder()),
    "SentencePiece": lambda: make_tokenizer(sentencepiece_encoder()),
}
TEXTS = ('{"name":"hello world","the cat":[true,null]}', "héllo wörld 你好 🙂 sat", "<|im_end|> x")


def spelling_of(tokenizer: Tokenizer) -> Spelling:
    return Spelling(Vocabulary.of_tokenizer(tokenizer, []))


def pieces(spelling: Spelling, before: bytes, forced: bytes) -> list[bytes]:
    return [spelling.vocabulary.token_bytes(one) for one in spelling.spell(before, forced)]


def test_what_the_tokenizer_makes_of_it_is_the_guess() -> None:
    assert pieces(spelling_of(DEMO), b'{"', b'name":"') == [b"name", b'":', b'"']
    expected = DEMO.encode('{"name":"')[1:]
    assert list(spelling_of(DEMO).spell(b'{"', b'name":"')) == expected


def test_what_the_tokenizer_would_begin_before_is_bridged_with_the_longest_tokens() -> None:
    """`name` is one token, of which `n` is out already."""
    assert pieces(spelling_of(DEMO), b'{"n', b'ame":') == [b"ame", b'":']
    assert pieces(spelling_of(DEMO), b"{", b'"name":') == [b'"', b"name", b'":']


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", TEXTS)
def test_tokens_spell_the_text_wherever_it_is_cut(kind: str, text: str) -> None:
    spelling, whole = spelling_of(KINDS[kind]()), text.encode()
    chance = Random(kind + text)
    for _ in range(60):
        start, end = sorted(chance.sample(range(len(whole) + 1), 2))
        before, forced = whole[max(0, start - 9) : start], whole[start:end]
        spelled = b"".join(pieces(spelling, before, forced))
        assert forced.startswith(spelled)
        assert len(forced) - len(spelled) < 4
        if is_text(before.lstrip(bytes(range(0x80, 0xC0))) + forced):
            assert spelled == forced


def is_text(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_space_that_sentencepiece_puts_before_a_text_is_none_of_it() -> None:
    spelling = spelling_of(make_tokenizer(sentencepiece_encoder()))
    assert b"".join(pieces(spelling, b"", b"hello")) == b"hello"
    assert b"".join(pieces(spelling, b"h", b"ello how")) == b"ello how"


def test_a_character_cut_in_two_is_left_for_when_it_is_whole() -> None:
    assert b"".join(pieces(spelling_of(DEMO), b'"', b"ab\xc3")) == b"ab"
    assert b"".join(pieces(spelling_of(DEMO), b'"\xc3', b'\xa9"')) == b'\xa9"'
    assert b"".join(pieces(spelling_of(DEMO), b"\xa9", b'",')) == b'",'


def test_the_text_of_a_special_token_is_spelled_by_others() -> None:
    spelled = spelling_of(DEMO).spell(b'"', b'<|im_end|>"')
    assert not DEMO.special_token_ids & set(spelled)
    assert b"".join(map(DEMO.token_bytes, spelled)) == b'<|im_end|>"'


def test_without_a_tokenizer_the_longest_tokens_are_guessed() -> None:
    spelling = Spelling(Vocabulary([b"", b"a", b"ab", b"abcd", b"c", b"d"], [0]))
    assert spelling.spell(b"", b"abcabcd") == (2, 4, 3)
    assert spelling.spell(b"", b"abxa") == (2,)
    assert spelling.spell(b"", b"") == ()


def test_a_tokenizer_that_changes_texts_is_not_followed() -> None:
    tokens = [b"", b"a", b"b", b"A"]
    spelling = Spelling(Vocabulary(tokens, [0], lambda text: [3] * len(text)))
    assert spelling.spell(b"", b"ab") == (1, 2)


def test_tokens_that_the_vocabulary_does_not_have_are_not_guessed() -> None:
    spelling = Spelling(Vocabulary([b"", b"a", b"b"], [0], lambda text: [99] * len(text)))
    assert spelling.spell(b"", b"ab") == (1, 2)


def test_a_vocabulary_that_lacks_letters_is_spelled_as_far_as_it_goes() -> None:
    spelling = spelling_of(make_tokenizer(metaspace_encoder()))
    assert b"ab,".startswith(b"".join(pieces(spelling, b"x", b"ab,")))
