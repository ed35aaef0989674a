from __future__ import annotations

from typing import Any

import msgspec
import pytest

from forge_common.errors import RequestError
from forge_common.grammar.program import AnyValue, Choice, Program, Repeat
from forge_scheduler.intake import Intake
from forge_scheduler.sequence import Request
from tests.builders import make_submit

INTAKE = Intake(max_model_len=10, vocab_size=100)


def make_request(prompt: list[int] | int = 4, **sampling: Any) -> Request:
    return INTAKE.make_request(b"client", make_submit(prompt=prompt, **sampling), 0.0)


def test_request_ends_at_max_tokens() -> None:
    assert make_request(4, max_tokens=3).max_num_tokens == 7


def test_request_ends_with_the_context_at_the_latest() -> None:
    assert make_request(4, max_tokens=3000).max_num_tokens == 10


def test_prompt_that_leaves_room_for_a_token_is_taken() -> None:
    assert make_request(9).max_num_tokens == 10


def test_prompt_that_fills_the_context_is_refused() -> None:
    with pytest.raises(RequestError) as raised:
        make_request(10)
    assert raised.value.code == "context_length_exceeded"
    assert raised.value.param is None


@pytest.mark.parametrize(
    ("param", "value"),
    [
        ("stop_token_ids", (100,)),
        ("eos_token_ids", (100,)),
        ("logit_bias", {100: 1.0}),
        ("allowed_token_ids", (5, 100)),
        ("bad_words", ((5,), (5, 100))),
    ],
)
def test_token_beyond_the_vocabulary_is_refused_by_name(param: str, value: Any) -> None:
    with pytest.raises(RequestError) as raised:
        make_request(**{param: value})
    assert raised.value.param == param
    assert raised.value.code == "invalid_token_id"


def test_prompt_token_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(RequestError) as raised:
        make_request([99, 100])
    assert raised.value.param == "prompt"


def test_minimum_above_the_maximum_is_refused() -> None:
    with pytest.raises(RequestError) as raised:
        make_request(min_tokens=4, max_tokens=3)
    assert raised.value.param == "min_tokens"


@pytest.mark.parametrize("param", ["num_logprobs", "num_prompt_logprobs"])
def test_more_logprobs_than_tokens_exist_are_refused(param: str) -> None:
    with pytest.raises(RequestError):
        Intake(10, 5).make_request(b"client", make_submit(prompt=[1], **{param: 6}), 0.0)


def test_a_program_is_taken_as_it_is() -> None:
    grammar = msgspec.msgpack.encode(Program((AnyValue(),)))
    assert make_request(grammar=grammar).sampling.grammar == grammar


@pytest.mark.parametrize(
    "grammar",
    [
        b"",
        b"\xc1",
        b"\x93" * 5000,
        msgspec.msgpack.encode("AnyValue"),
        msgspec.msgpack.encode([[]]),
        msgspec.msgpack.encode([[["Unheard"]], 0, "compact"]),
        msgspec.msgpack.encode([[["Literals", []]], 0, "compact"]),
        msgspec.msgpack.encode([[["Text", b"\xff"]], 0, "compact"]),
        msgspec.msgpack.encode([[["Choice", [-1]]], 0, "compact"]),
        msgspec.msgpack.encode(Program((Choice((2**17,)),))),
        msgspec.msgpack.encode(Program((Repeat(0, 2**60),))),
        msgspec.msgpack.encode(Program((AnyValue(),))) + b"\x00",
    ],
)
def test_what_is_no_program_is_refused(grammar: bytes) -> None:
    with pytest.raises(RequestError) as raised:
        make_request(grammar=grammar)
    assert (raised.value.param, raised.value.code) == ("grammar", "malformed_grammar")
