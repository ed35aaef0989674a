"""POST /v1/completions, as clients see it."""

from __future__ import annotations

import pytest

from forge_common.sampling import FinishReason
from tests.api.fakes import TOKENIZER, FakeEngine, complete, make_output, post, speaks


def test_whole_reply_has_openais_shape() -> None:
    reply = complete("hello world").json
    assert reply["object"] == "text_completion"
    assert reply["id"].startswith("cmpl-")
    assert reply["choices"] == [
        {"index": 0, "text": "hello world", "logprobs": None, "finish_reason": "stop"}
    ]


def test_stream_joins_to_the_whole_reply() -> None:
    reply = complete("hello world", stream=True)
    assert reply.joined() == "hello world"
    assert reply.events[-1] == "[DONE]"
    assert reply.events[-2]["choices"][0]["finish_reason"] == "stop"


def test_sixteen_tokens_unless_asked_for_more() -> None:
    engine = FakeEngine(speaks("a b c d e f g h i j k l m n o p q r s t u v w x y z"))
    post(engine, "/v1/completions", {"prompt": "hello"})
    assert engine.submitted[0].sampling.max_tokens == 16


@pytest.mark.parametrize("prompt", [["hello", "world"], [[70, 71], [72]]])
def test_lists_of_prompts_become_choices_in_order(prompt: list) -> None:
    engine = FakeEngine(speaks("hi"))
    body = {"prompt": prompt, "n": 2, "max_tokens": 9}
    reply = post(engine, "/v1/completions", body).json
    assert [choice["index"] for choice in reply["choices"]] == [0, 1, 2, 3]
    assert len(engine.submitted) == 2
    assert engine.submitted[0].sampling.seed != engine.submitted[1].sampling.seed


def test_token_ids_are_a_prompt() -> None:
    engine = FakeEngine(speaks("hi"))
    post(engine, "/v1/completions", {"prompt": [70, 71, 72]})
    assert engine.submitted[0].prompt_token_ids == [70, 71, 72]


def test_echo_puts_the_prompt_first() -> None:
    assert complete(" world", echo=True).json["choices"][0]["text"] == "hello world"
    assert complete(" world", echo=True, stream=True).joined() == "hello world"


def test_echo_with_logprobs_scores_the_prompt() -> None:
    logprobs = complete(" world", echo=True, logprobs=1).json["choices"][0]["logprobs"]
    assert "".join(logprobs["tokens"]) == "hello world"
    assert logprobs["token_logprobs"][0] is None
    assert logprobs["top_logprobs"][0] is None
    assert logprobs["text_offset"] == sorted(logprobs["text_offset"])
    assert len({len(values) for values in logprobs.values()}) == 1


def test_streamed_logprobs_are_those_of_the_whole() -> None:
    whole = complete(" world", echo=True, logprobs=1).json["choices"][0]["logprobs"]
    events = complete(" world", echo=True, logprobs=1, stream=True).events
    pieces = [event["choices"][0]["logprobs"] for event in events[:-1]]
    assert [offset for piece in pieces for offset in piece["text_offset"]] == whole["text_offset"]


def test_max_tokens_zero_only_scores_the_prompt() -> None:
    reply = complete(" world", echo=True, logprobs=0, max_tokens=0).json
    [choice] = reply["choices"]
    assert choice["text"] == "hello"
    assert choice["finish_reason"] == "length"
    assert len(choice["logprobs"]["tokens"]) == len(TOKENIZER.encode("hello"))
    assert reply["usage"]["completion_tokens"] == 0


def test_echo_of_token_ids_is_their_text() -> None:
    ids = TOKENIZER.encode("hello")
    reply = complete(" world", prompt=ids, echo=True).json
    assert reply["choices"][0]["text"] == "hello world"


def test_stop_string_may_stay_in_the_text() -> None:
    reply = complete("one STOP two", stop="STOP", include_stop_str_in_output=True).json
    assert reply["choices"][0]["text"] == "one STOP"


def test_min_tokens_lets_early_stop_strings_pass() -> None:
    reply = complete("one STOP two", stop="STOP", min_tokens=11).json
    assert reply["choices"][0]["text"] == "one STOP two"


def test_return_token_ids_shows_each_prompts_ids() -> None:
    [choice] = complete("hi", prompt=[70, 71], return_token_ids=True).json["choices"]
    assert choice["prompt_token_ids"] == [70, 71]
    assert choice["token_ids"] == TOKENIZER.encode("hi")


@pytest.mark.parametrize("prompt", [[], "", [[]], [""]])
def test_an_empty_prompt_is_refused(prompt: object) -> None:
    reply = complete(prompt=prompt)
    assert reply.status == 400
    assert reply.error["param"] == "prompt"


def test_mixed_prompts_are_refused() -> None:
    assert complete(prompt=["a", [1]]).error["param"] == "prompt"


def test_a_prompt_of_one_token_has_no_logprob() -> None:
    def script(submit):
        yield make_output(submit, 0, [70], FinishReason.STOP)

    body = {"prompt": [71], "echo": True, "logprobs": 0}
    [choice] = post(FakeEngine(script), "/v1/completions", body).json["choices"]
    assert choice["logprobs"]["token_logprobs"] == [None, -0.5]
