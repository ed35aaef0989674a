"""A tokenizer from a GGUF file gives the ids of the HuggingFace tokenizer it was made of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_common.demo_model import demo_model_path
from forge_common.errors import ModelError
from forge_common.tokenizer import Tokenizer
from tests.common.checkpoint.gguf.small_model import metadata
from tests.gguf_files import write_gguf
from tests.gguf_models import special_metadata, vocabulary_metadata
from tests.small_tokenizers import byte_level_encoder, sentencepiece_encoder

TEXTS = [
    "",
    " ",
    "   ",
    "\n\n\t x\r\n",
    "hello world, how are you?",
    "Hello  WORLD",
    "héllo wörld 你好 🙂",
    "the cat   sat on the mat\n\n",
    "e\u0301 is not \u00e9",
    "▁ marks, <0x41> is no byte",
    "12345 6.7 1,000",
    "<s>text</s> <unk>",
    "<|im_start|>user\nhello<|im_end|>\n",
    "two words and über … alles <think>",
    "\x00\x7f\ud7ff",
]
CONFIG = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}


def from_gguf(
    directory: Path, tree: dict[str, Any], config: dict[str, str], **changes: Any
) -> Tokenizer:
    keys = {key.replace("__", "."): value for key, value in changes.items()}
    values = {**vocabulary_metadata(tree), **special_metadata(tree, config), **keys}
    return Tokenizer.open(write_gguf(directory / "m.gguf", values))


def tree_of(encoder: tokenizers.Tokenizer) -> dict[str, Any]:
    tree: dict[str, Any] = json.loads(encoder.to_str())
    return tree


@pytest.fixture(scope="module")
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    return from_gguf(tmp_path_factory.mktemp("gguf"), tree_of(byte_level_encoder()), {})


@pytest.fixture(scope="module")
def sentencepiece(tmp_path_factory: pytest.TempPathFactory) -> Tokenizer:
    tree = tree_of(sentencepiece_encoder())
    return from_gguf(tmp_path_factory.mktemp("gguf"), tree, CONFIG)


@pytest.mark.parametrize("text", TEXTS)
def test_byte_level_ids_are_those_of_the_original(byte_level: Tokenizer, text: str) -> None:
    ids = byte_level.encode(text)
    assert ids == byte_level_encoder().encode(text, add_special_tokens=False).ids
    assert byte_level.decode(ids) == text


@pytest.mark.parametrize("text", TEXTS)
def test_sentencepiece_ids_are_those_of_the_original(sentencepiece: Tokenizer, text: str) -> None:
    original = sentencepiece_encoder().encode(text, add_special_tokens=False).ids
    assert sentencepiece.encode(text) == original
    assert sentencepiece.decode(original) == sentencepiece_encoder().decode(
        original, skip_special_tokens=False
    )


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
with_fixture = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@with_fixture
@given(text=texts)
def test_any_text_has_the_ids_of_the_originals(
    byte_level: Tokenizer, sentencepiece: Tokenizer, text: str
) -> None:
    for ours, original in (
        (byte_level, byte_level_encoder()),
        (sentencepiece, sentencepiece_encoder()),
    ):
        assert ours.encode(text) == original.encode(text, add_special_tokens=False).ids


def test_demo_model_keeps_its_ids(tmp_path: Path) -> None:
    tree = json.loads((demo_model_path() / "tokenizer.json").read_text())
    config = json.loads((demo_model_path() / "tokenizer_config.json").read_text())
    original = Tokenizer.open(demo_model_path())
    ours = from_gguf(tmp_path, tree, {"eos_token": config["eos_token"]})
    assert ours.special_token_ids == original.special_token_ids
    assert ours.eos_token == original.eos_token
    assert ours.vocab_size == original.vocab_size
    for text in TEXTS:
        for parse_special in (True, False):
            assert ours.encode(text, parse_special=parse_special) == original.encode(
                text, parse_special=parse_special
            )


def test_special_tokens_are_read_as_themselves_only_when_asked(sentencepiece: Tokenizer) -> None:
    bos, eos = sentencepiece.encode("<s>"), sentencepiece.encode("</s>")
    assert len(bos) == len(eos) == 1
    assert sentencepiece.special_token_ids >= {*bos, *eos}
    assert len(sentencepiece.encode("<s>", parse_special=False)) > 1
    assert (sentencepiece.bos_token, sentencepiece.eos_token) == ("<s>", "</s>")


@pytest.mark.parametrize(
    ("flags", "first", "last"),
    [
        ({}, ["<s>"], []),
        ({"tokenizer__ggml__add_bos_token": False}, [], []),
        ({"tokenizer__ggml__add_eos_token": True}, ["<s>"], ["</s>"]),
    ],
)
def test_text_gets_the_tokens_around_it_that_the_file_asks_for(
    tmp_path: Path, flags: dict[str, bool], first: list[str], last: list[str]
) -> None:
    tokenizer = from_gguf(tmp_path, tree_of(sentencepiece_encoder()), CONFIG, **flags)
    plain = tokenizer.encode("the cat")
    around = [[tokenizer.encode(token)[0] for token in tokens] for tokens in (first, last)]
    ids = tokenizer.encode("the cat", add_special_tokens=True)
    assert ids == [*around[0], *plain, *around[1]]


@pytest.mark.parametrize(("name", "adds_bos"), [("gpt-2", False), ("llama-bpe", True)])
def test_byte_level_kinds_differ_in_what_they_add(
    tmp_path: Path, name: str, adds_bos: bool
) -> None:
    values = metadata(tokenizer__ggml__pre=name)
    tokenizer = Tokenizer.open(write_gguf(tmp_path / "m.gguf", values))
    assert tokenizer.encode("ab", add_special_tokens=True) == [1, 5] if adds_bos else [5]


def test_text_without_space_prefix_begins_as_it_is(tmp_path: Path) -> None:
    tree = tree_of(sentencepiece_encoder())
    flag = {"tokenizer__ggml__add_space_prefix": False}
    tokenizer = from_gguf(tmp_path, tree, CONFIG, **flag)
    ids = tokenizer.encode("the cat")
    assert ids != sentencepiece_encoder().encode("the cat", add_special_tokens=False).ids
    assert tokenizer.decode(ids) == "the cat"


def test_tokens_written_alike_are_told_apart_by_the_first(tmp_path: Path) -> None:
    tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab", "Ġ", "a"]
    values = metadata(tokenizer__ggml__tokens=tokens, tokenizer__ggml__merges=["a b"])
    tokenizer = Tokenizer.open(write_gguf(tmp_path / "m.gguf", values))
    assert tokenizer.encode("a") == [3]


def test_special_tokens_of_phi_3_take_spaces_behind_them_along(tmp_path: Path) -> None:
    tree = tree_of(sentencepiece_encoder())
    for architecture, takes in (("llama", False), ("phi3", True)):
        tokenizer = from_gguf(tmp_path, tree, CONFIG, general__architecture=architecture)
        end, start = tokenizer.encode("</s>")[0], tokenizer.encode("<s>")[0]
        assert (tokenizer.encode("</s>\n  cat")[1:] == tokenizer.encode("cat")) == takes
        assert tokenizer.encode("</s>\n  cat")[0] == end
        assert tokenizer.encode("<s> cat") == [start, *tokenizer.encode(" cat")]


def test_tokens_that_fill_the_list_up_are_not_found_in_a_text(tmp_path: Path) -> None:
    tokens = ["<unk>", "<s>", "</s>", "a", "b", "ab", "Ġ", "[PAD7]"]
    values = metadata(
        tokenizer__ggml__tokens=tokens,
        tokenizer__ggml__token_type=[2, 3, 3, 1, 1, 1, 1, 2],
        tokenizer__ggml__merges=["a b"],
    )
    tokenizer = Tokenizer.open(write_gguf(tmp_path / "m.gguf", values))
    assert 7 not in tokenizer.encode("[PAD7]")
    assert tokenizer.encode("<unk>") == [0]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"tokenizer__ggml__model": "bert"}, "tokenizer bert is unknown; known: gpt2, llama"),
        ({"tokenizer__ggml__model": None}, r"tokenizer \(none stated\) is unknown"),
        ({"tokenizer__ggml__pre": "odd"}, "pre-tokenizer odd is unknown; known: gpt-2"),
        ({"tokenizer__ggml__tokens": None}, "the list of tokens is missing, empty or too long"),
        ({"tokenizer__ggml__merges": None}, "the list of merges is missing"),
        ({"tokenizer__ggml__merges": ["ab"]}, "the merge `ab` has no two parts"),
        ({"tokenizer__ggml__merges": ["a x"]}, "is not a usable tokenizer"),
        ({"tokenizer__ggml__token_type": [1, 2]}, "tokens and token types differ in number"),
        ({"tokenizer__ggml__model": "llama"}, "the scores of tokens are missing"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    path = write_gguf(tmp_path / "m.gguf", metadata(**changes))
    with pytest.raises(ModelError, match=sentence):
        Tokenizer.open(path)


def test_token_too_long_to_be_put_together_is_refused(tmp_path: Path) -> None:
    tokens = ["<unk>", "a", "a" * 5000]
    values = metadata(
        tokenizer__ggml__model="llama",
        tokenizer__ggml__tokens=tokens,
        tokenizer__ggml__token_type=[2, 1, 1],
        tokenizer__ggml__scores=[0.0, 0.0, 0.0],
    )
    with pytest.raises(ModelError, match="token 2 is too long"):
        Tokenizer.open(write_gguf(tmp_path / "m.gguf", values))
