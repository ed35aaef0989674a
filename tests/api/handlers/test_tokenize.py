"""POST /tokenize and /detokenize."""

from __future__ import annotations

import pytest

from forge_api.validation import LONG_TEXT_CHARS
from tests.api.fakes import HELLO, TOKENIZER, FakeEngine, Reply, post, speaks


def ask(path: str, body: dict) -> Reply:
    return post(FakeEngine(speaks("hi")), path, body)


def test_text_becomes_ids() -> None:
    reply = ask("/tokenize", {"prompt": "hello", "return_token_strs": True}).json
    assert reply["tokens"] == TOKENIZER.encode("hello")
    assert reply["count"] == len(reply["tokens"])
    assert "".join(reply["token_strs"]) == "hello"
    assert reply["max_model_len"] == 1000


def test_messages_become_the_ids_of_their_prompt() -> None:
    reply = ask("/tokenize", HELLO).json
    assert TOKENIZER.decode(reply["tokens"]) == "user: hello\n"


@pytest.mark.parametrize(
    ("path", "body"),
    [("/tokenize", {}), ("/v1/completions", {"truncate_prompt_tokens": 5})],
)
def test_a_text_is_no_longer_than_memory_allows(
    path: str, body: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("forge_api.validation.MAX_TEXT_CHARS", 20_000)
    reply = ask(path, body | {"prompt": "a" * 20_001})
    assert (reply.status, reply.error["param"]) == (400, "prompt")


def test_long_and_short_texts_are_tokenized_alike() -> None:
    text = "hello " * LONG_TEXT_CHARS
    assert ask("/tokenize", {"prompt": text}).json["tokens"] == TOKENIZER.encode(text)


def test_ids_become_text() -> None:
    reply = ask("/detokenize", {"tokens": TOKENIZER.encode("héllo")}).json
    assert reply == {"prompt": "héllo"}


def test_one_of_prompt_and_messages_is_needed() -> None:
    assert ask("/tokenize", {}).status == 400
    assert ask("/tokenize", HELLO | {"prompt": "x"}).error["param"] == "prompt"


def test_ids_must_be_ids() -> None:
    assert ask("/detokenize", {"tokens": [-1]}).error["param"] == "tokens[0]"
