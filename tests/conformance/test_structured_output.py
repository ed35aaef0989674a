"""What the official OpenAI client asks of structured output, and what it makes of the reply.

The API is Forge's; the engine behind it is a script, so that what it is told can be looked at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from forge_common.sampling import FinishReason
from tests.api.fakes import FakeEngine, serve, speaks
from tests.api.grammars.programs import allows

MODEL = "tiny"
MESSAGES: Any = [{"role": "user", "content": "Ann is 5"}]
REPLY = '{"name":"Ann","ages":[5],"home":{"city":"Rome"}}'


class Home(BaseModel):
    city: str


class Person(BaseModel):
    name: str
    ages: list[int]
    home: Home | None


def ask(engine: FakeEngine, question: Callable[[openai.AsyncOpenAI], Awaitable[Any]]) -> Any:
    async def test(api: Any) -> Any:
        url = f"{api.url}/v1"
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            return await question(client)

    return serve(engine, test)


def grammar_told(engine: FakeEngine) -> bytes:
    [submit] = engine.submitted
    assert submit.sampling.grammar is not None
    return submit.sampling.grammar


def test_a_model_is_parsed() -> None:
    engine = FakeEngine(speaks(REPLY))
    reply = ask(
        engine,
        lambda client: client.chat.completions.parse(
            model=MODEL, messages=MESSAGES, response_format=Person
        ),
    )
    assert reply.choices[0].message.parsed == Person(name="Ann", ages=[5], home=Home(city="Rome"))
    assert allows(grammar_told(engine), REPLY)
    assert allows(grammar_told(engine), '{"name":"","ages":[],"home":null}')
    assert not allows(grammar_told(engine), '{"name":"","ages":[]}')
    assert not allows(grammar_told(engine), '{"name":"","ages":[],"home":null,"more":1}')


def test_a_model_is_parsed_from_a_stream() -> None:
    engine = FakeEngine(speaks(REPLY))

    async def question(client: openai.AsyncOpenAI) -> Any:
        async with client.chat.completions.stream(
            model=MODEL, messages=MESSAGES, response_format=Person
        ) as stream:
            return await stream.get_final_completion()

    parsed = ask(engine, question).choices[0].message.parsed
    assert parsed == Person(name="Ann", ages=[5], home=Home(city="Rome"))
    assert allows(grammar_told(engine), REPLY)


def test_a_reply_that_is_cut_off_is_the_clients_own_error() -> None:
    engine = FakeEngine(speaks(REPLY, reason=FinishReason.LENGTH))
    with pytest.raises(openai.LengthFinishReasonError):
        ask(
            engine,
            lambda client: client.chat.completions.parse(
                model=MODEL, messages=MESSAGES, response_format=Person
            ),
        )


def test_json_mode_is_any_object() -> None:
    engine = FakeEngine(speaks(REPLY))
    ask(
        engine,
        lambda client: client.chat.completions.create(
            model=MODEL, messages=MESSAGES, response_format={"type": "json_object"}
        ),
    )
    assert allows(grammar_told(engine), '{"x":[1,{}]}')
    assert not allows(grammar_told(engine), "[]")


@pytest.mark.parametrize(
    "extra", [{"guided_choice": ["yes", "no"]}, {"structured_outputs": {"choice": ["yes", "no"]}}]
)
def test_extensions_come_by_extra_body(extra: dict[str, Any]) -> None:
    engine = FakeEngine(speaks("yes"))
    reply = ask(
        engine,
        lambda client: client.completions.create(model=MODEL, prompt="well?", extra_body=extra),
    )
    assert reply.choices[0].text == "yes"
    assert allows(grammar_told(engine), "no")


def test_a_schema_that_cannot_be_kept_is_refused_with_param_and_code() -> None:
    schema = {"type": "string", "pattern": r"(a)\1"}
    with pytest.raises(openai.BadRequestError) as caught:
        ask(
            FakeEngine(speaks("yes")),
            lambda client: client.chat.completions.create(
                model=MODEL,
                messages=MESSAGES,
                response_format={
                    "type": "json_schema",
                    "json_schema": {"name": "x", "schema": schema},
                },
            ),
        )
    assert caught.value.param == "response_format.json_schema.schema"
    assert caught.value.code == "unsupported_schema"
    assert "/pattern" in caught.value.message
