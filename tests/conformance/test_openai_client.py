"""What the official OpenAI client makes of a real Forge: three processes, a tiny model."""

from __future__ import annotations

import asyncio
import json
import re
import urllib.request
from typing import Annotated, Literal

import openai
import pytest
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, Field

from tests.conformance.conftest import KEY
from tests.small_tokenizers import byte_level_encoder

MODEL = "tiny"
MESSAGES = [{"role": "user", "content": "hello world"}]
ALWAYS_Z = {str(byte_level_encoder().token_to_id("z")): 100}
FORCED = {"max_tokens": 8, "extra_body": {"ignore_eos": True}}


def engine_health(client: openai.OpenAI) -> dict:
    url = str(client.base_url).replace("/v1/", "/forge/v1/health")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})  # noqa: S310
    with urllib.request.urlopen(request) as reply:  # noqa: S310
        return json.load(reply)["engine"]


def test_models_are_listed_and_retrieved(client: openai.OpenAI) -> None:
    [model] = client.models.list().data
    assert model.id == MODEL
    assert client.models.retrieve(MODEL).owned_by == "forge"


def test_chat_reply_passes_the_clients_own_validation(client: openai.OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=MODEL, messages=MESSAGES, logprobs=True, top_logprobs=3, **FORCED
    )
    reply = ChatCompletion.model_validate_json(raw.text)
    assert reply.choices[0].finish_reason == "length"
    assert reply.usage.completion_tokens == 8
    assert len(reply.choices[0].logprobs.content) == 8
    assert raw.headers["x-request-id"]


def test_stream_joins_to_the_reply_for_the_same_seed(client: openai.OpenAI) -> None:
    fields = {"model": MODEL, "messages": MESSAGES, "seed": 7, **FORCED}
    whole = client.chat.completions.create(**fields).choices[0].message.content
    chunks = list(client.chat.completions.create(stream=True, **fields))
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk.model_dump())
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole


def test_stream_helper_accumulates_a_completion(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL,
        messages=MESSAGES,
        stop="zzz",
        logit_bias=ALWAYS_Z,
        stream_options={"include_usage": True},
    ) as stream:
        final = stream.get_final_completion()
    assert final.usage.completion_tokens == 3
    assert final.choices[0].finish_reason == "stop"
    assert final.choices[0].message.content == ""


def test_choices_differ_from_each_other(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model=MODEL, messages=MESSAGES, n=4, seed=1, **FORCED)
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3]
    assert len({choice.message.content for choice in reply.choices}) > 1


def test_a_repeated_prompt_is_cached(client: openai.OpenAI) -> None:
    messages = [{"role": "user", "content": "the cat sat on the mat " * 8}]
    for _ in range(2):
        reply = client.chat.completions.create(model=MODEL, messages=messages, **FORCED)
    assert reply.usage.prompt_tokens_details.cached_tokens > 0


def test_greedy_text_is_the_same_twice(client: openai.OpenAI) -> None:
    texts = {
        client.completions.create(model=MODEL, prompt="hello", temperature=0, **FORCED)
        .choices[0]
        .text
        for _ in range(2)
    }
    assert len(texts) == 1


def test_text_completion_with_echo_and_logprobs(client: openai.OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL, prompt=["hello", "world"], echo=True, logprobs=2, **FORCED
    )
    assert [choice.text[:5] for choice in reply.choices] == ["hello", "world"]
    logprobs = reply.choices[0].logprobs
    assert logprobs.token_logprobs[0] is None
    assert all(logprob <= 0 for logprob in logprobs.token_logprobs[1:])


def test_text_completion_of_token_ids_streams(client: openai.OpenAI) -> None:
    chunks = list(client.completions.create(model=MODEL, prompt=[70, 71], stream=True, **FORCED))
    assert chunks[-1].choices[0].finish_reason == "length"


def test_a_prompt_is_only_scored(client: openai.OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL, prompt="hello world", echo=True, logprobs=0, max_tokens=0
    )
    assert reply.choices[0].text == "hello world"
    assert reply.usage.completion_tokens == 0


def test_logit_bias_decides_the_token(client: openai.OpenAI) -> None:
    raw = client.completions.with_raw_response.create(
        model=MODEL, prompt="hello", logit_bias=ALWAYS_Z, max_tokens=4
    )
    assert Completion.model_validate_json(raw.text).choices[0].text == "zzzz"


def test_a_bad_parameter_is_named(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=MESSAGES, temperature=-1)
    assert caught.value.param == "temperature"
    assert caught.value.type == "invalid_request_error"


def test_a_prompt_that_is_too_long_has_its_code(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(model=MODEL, prompt=[70] * 5000, stream=True)
    assert caught.value.code == "context_length_exceeded"


def test_an_unknown_model_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="other", messages=MESSAGES)
    assert caught.value.code == "model_not_found"


def test_a_wrong_key_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").models.list()


def test_a_schema_that_cannot_be_kept_is_refused_by_name(client: openai.OpenAI) -> None:
    schema = {"type": "string", "pattern": r"(a)\1"}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model=MODEL,
            messages=MESSAGES,
            response_format={
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": schema},
            },
        )
    assert caught.value.param == "response_format.json_schema.schema"
    assert caught.value.code == "unsupported_schema"


class Answer(BaseModel):
    sure: bool
    words: Annotated[list[Literal["yes", "no"]], Field(min_length=2, max_length=2)]


def test_random_text_is_parsed_as_a_model(client: openai.OpenAI) -> None:
    for seed in range(3):
        reply = client.chat.completions.parse(
            model=MODEL, messages=MESSAGES, response_format=Answer, seed=seed, max_tokens=100
        )
        [choice] = reply.choices
        assert isinstance(choice.message.parsed, Answer)
        assert choice.finish_reason == "stop"


def test_every_choice_is_in_the_grammar_and_has_logprobs(client: openai.OpenAI) -> None:
    reply = client.completions.create(
        model=MODEL, prompt="hello", n=4, logprobs=2, extra_body={"guided_regex": "[a-c]{5}x?"}
    )
    for choice in reply.choices:
        assert re.fullmatch("[a-c]{5}x?", choice.text)
        assert len(choice.logprobs.tokens) >= len(choice.text)


def test_a_constrained_stream_that_is_cut_off_ends_with_length(client: openai.OpenAI) -> None:
    chunks = list(
        client.chat.completions.create(
            model=MODEL,
            messages=MESSAGES,
            response_format={"type": "json_object"},
            max_tokens=1,
            stream=True,
        )
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "{"
    assert chunks[-1].choices[0].finish_reason == "length"


def test_many_streams_at_once(base_url: str) -> None:
    async def one(client: openai.AsyncOpenAI, seed: int) -> int:
        stream = await client.chat.completions.create(
            model=MODEL, messages=MESSAGES, seed=seed, stream=True,
            stream_options={"include_usage": True}, **FORCED,
        )  # fmt: skip
        return [chunk async for chunk in stream][-1].usage.completion_tokens

    async def many() -> list[int]:
        async with openai.AsyncOpenAI(base_url=base_url, api_key=KEY) as client:
            return await asyncio.gather(*(one(client, seed) for seed in range(32)))

    assert asyncio.run(many()) == [8] * 32


def test_a_stream_that_is_closed_frees_its_place(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL, messages=MESSAGES, stream=True, extra_body={"ignore_eos": True}
    )
    next(iter(stream))
    stream.close()
    for _ in range(100):
        engine = engine_health(client)
        if engine["num_running"] == 0 and engine["num_free_blocks"] == engine["num_blocks"]:
            return
    pytest.fail(f"the request is still there: {engine}")
