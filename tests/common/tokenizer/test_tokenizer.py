"""Text to ids and back: equal to HuggingFace's own decoding, for the decoders Forge knows."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st

from forge_common.errors import ModelError, RequestError
from forge_common.tokenizer import Tokenizer
from tests.small_tokenizers import (
    byte_level_encoder,
    make_tokenizer,
    metaspace_encoder,
    sentencepiece_encoder,
    write_model_directory,
)

ids = st.lists(st.integers(0, 340), max_size=30)


@given(ids, st.booleans())
def test_byte_level_decoding_equals_the_reference(token_ids: list[int], skip: bool) -> None:
    encoder = byte_level_encoder()
    assert make_tokenizer(encoder).decode(token_ids, skip) == encoder.decode(
        token_ids, skip_special_tokens=skip
    )


@given(ids, st.booleans())
def test_metaspace_decoding_equals_the_reference(token_ids: list[int], skip: bool) -> None:
    encoder = metaspace_encoder()
    assert make_tokenizer(encoder).decode(token_ids, skip) == encoder.decode(
        token_ids, skip_special_tokens=skip
    )


@given(st.text(max_size=30), ids, st.booleans())
def test_sentencepiece_decoding_equals_the_reference(
    text: str, token_ids: list[int], skip: bool
) -> None:
    encoder = sentencepiece_encoder()
    whole_characters = encoder.encode(text).ids + [
        id_ for id_ in token_ids if id_ not in range(3, 259)
    ]
    assert make_tokenizer(encoder).decode(whole_characters, skip) == encoder.decode(
        whole_characters, skip_special_tokens=skip
    )


@given(st.text(max_size=40))
def test_text_survives_a_round_trip(text: str) -> None:
    for encoder in (byte_level_encoder(), sentencepiece_encoder()):
        tokenizer = make_tokenizer(encoder)
        assert tokenizer.decode(tokenizer.encode(text, parse_special=False)) == text


def test_broken_byte_tokens_become_what_python_makes_of_them() -> None:
    encoder = sentencepiece_encoder()
    token_ids = [encoder.token_to_id(token) for token in ("<0xE4>", "<0xBD>", "<0x41>")]
    assert make_tokenizer(encoder).decode(token_ids) == "\ufffdA"


def test_ids_beyond_the_vocabulary_are_nothing() -> None:
    tokenizer = make_tokenizer(byte_level_encoder())
    assert tokenizer.token_bytes(tokenizer.vocab_size) == b""
    assert tokenizer.token_bytes(2**31 - 1) == b""


def test_every_token_has_the_bytes_of_its_text() -> None:
    encoder = byte_level_encoder()
    tokenizer = make_tokenizer(encoder)
    joined = b"".join(map(tokenizer.token_bytes, encoder.encode("héllo 你好 two words").ids))
    assert joined == "héllo 你好 two words".encode()


def test_special_tokens_in_text_are_read_unless_told_otherwise() -> None:
    tokenizer = make_tokenizer(byte_level_encoder())
    assert tokenizer.encode("<|im_end|>") == [1]
    literal = tokenizer.encode("<|im_end|>", parse_special=False)
    assert len(literal) > 1
    assert tokenizer.decode(literal, skip_special_tokens=True) == "<|im_end|>"
    assert tokenizer.encode("<|im_end|>") == [1]


def test_special_tokens_are_gathered_from_both_files(tmp_path: Path) -> None:
    config = {"bos_token": None, "eos_token": {"content": "<think>"}}
    tokenizer = Tokenizer.open(write_model_directory(tmp_path, byte_level_encoder(), config))
    assert (tokenizer.bos_token, tokenizer.eos_token) == (None, "<think>")
    think = tokenizer.encode("<think>")
    assert tokenizer.special_token_ids == {0, 1, *think}


@pytest.mark.parametrize("is_special", [True, False])
def test_spaces_a_special_token_takes_along_stay_taken(tmp_path: Path, is_special: bool) -> None:
    encoder = tokenizers.Tokenizer.from_str(byte_level_encoder().to_str())
    added = tokenizers.AddedToken("<|user|>", rstrip=True, normalized=False, special=is_special)
    (encoder.add_special_tokens if is_special else encoder.add_tokens)([added])
    config = {"additional_special_tokens": ["<|user|>"]}
    tokenizer = Tokenizer.open(write_model_directory(tmp_path, encoder, config))
    user = tokenizer.encode("<|user|>")
    assert tokenizer.special_token_ids >= {*user}
    assert tokenizer.encode("<|user|>\n hello") == [*user, *tokenizer.encode("hello")]


def test_a_directory_without_a_config_is_enough(tmp_path: Path) -> None:
    tokenizer = Tokenizer.open(write_model_directory(tmp_path, byte_level_encoder()))
    assert tokenizer.special_token_ids == {0, 1}
    assert tokenizer.vocab_size == byte_level_encoder().get_vocab_size()


def test_truncation_asked_for_by_the_file_is_not_done(tmp_path: Path) -> None:
    encoder = tokenizers.Tokenizer.from_str(byte_level_encoder().to_str())
    encoder.enable_truncation(2)
    encoder.enable_padding(length=100)
    tokenizer = Tokenizer.open(write_model_directory(tmp_path, encoder))
    assert len(tokenizer.encode("a b c d e")) == 9


def test_half_a_surrogate_pair_is_the_requests_fault() -> None:
    with pytest.raises(RequestError, match="cannot be tokenized"):
        make_tokenizer(byte_level_encoder()).encode("\ud800")


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", '{"model": {}}', "{}", "\x00", "[" * 100000]
)
def test_an_unusable_file_is_one_sentence(tmp_path: Path, content: str) -> None:
    (tmp_path / "tokenizer.json").write_text(content)
    with pytest.raises(ModelError, match=r"tokenizer\.json"):
        Tokenizer.open(tmp_path)


def test_what_makes_the_library_panic_is_one_sentence(tmp_path: Path) -> None:
    normalizer = '{"type": "Precompiled", "precompiled_charsmap": "AAAA"}'
    model = '{"type": "BPE", "vocab": {"a": 0}, "merges": []}'
    text = f'{{"model": {model}, "normalizer": {normalizer}}}'
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(ModelError, match=r"tokenizer\.json is not a usable tokenizer"):
        Tokenizer.open(tmp_path)


def test_other_threads_go_on_while_a_long_text_is_encoded() -> None:
    tokenizer = make_tokenizer(byte_level_encoder())
    with ThreadPoolExecutor(1) as pool:
        encoding = pool.submit(tokenizer.encode, "hello " * 200_000)
        num_turns = 0
        while not encoding.done():
            num_turns += 1
            time.sleep(0.001)
    assert num_turns > 3


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"there is no tokenizer\.json"):
        Tokenizer.open(tmp_path)


def test_a_config_that_is_no_object_is_refused(tmp_path: Path) -> None:
    write_model_directory(tmp_path, byte_level_encoder())
    (tmp_path / "tokenizer_config.json").write_text("[1]")
    with pytest.raises(ModelError, match=r"tokenizer_config\.json"):
        Tokenizer.open(tmp_path)


def test_pieces_are_remembered_for_each_choice_of_special_tokens() -> None:
    tokenizer = make_tokenizer(byte_level_encoder())
    kept = frozenset(tokenizer.encode("<|im_end|>"))
    some = tokenizer.pieces(skip_special_tokens=True, kept_ids=kept)
    assert some is tokenizer.pieces(skip_special_tokens=True, kept_ids=kept)
    assert [some[id_] for id_ in kept] == [b"<|im_end|>"]
    assert {some[id_] for id_ in tokenizer.special_token_ids - kept} == {b""}
    assert tokenizer.pieces(skip_special_tokens=False, kept_ids=kept) is (
        tokenizer.pieces(skip_special_tokens=False)
    )
