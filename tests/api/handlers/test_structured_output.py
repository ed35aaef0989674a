"""A grammar reaches the scheduler compiled, beside all else a request asks; or it is a 400."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import msgspec
import pytest

from forge_api.grammars import compiler
from forge_api.grammars.compiler import Compiler
from forge_api.grammars.grammars import Grammars
from forge_api.metrics import Metrics
from forge_common.errors import RequestErrorKind
from forge_common.protocol.message import Failure
from forge_common.sampling import FinishReason
from tests.api.fakes import (
    HELLO,
    TOKENIZER,
    Api,
    FakeEngine,
    Reply,
    chat,
    post,
    serve,
    speaks,
    until,
)
from tests.api.fakes import make_output as output_of
from tests.api.grammars.programs import allows

CHAT = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
TOOL = {"type": "function", "function": {"name": "f"}}
SLOW_SCHEMA = {"enum": [f"value {number}" for number in range(100_000)]}
SLOW_BODY = HELLO | {"json_schema": SLOW_SCHEMA}


async def send_large(api: Api, path: str, body: Any) -> Reply:
    """aiohttp's client warns of large bodies that are no files."""
    data = io.BytesIO(msgspec.json.encode(body))
    return await api.send("POST", path, data=data, headers={"Content-Type": "application/json"})


def submitted(path: str = CHAT, **body: Any) -> Any:
    """What the scheduler is told."""
    engine = FakeEngine(speaks("hi"))
    base = HELLO if path == CHAT else {"prompt": "hello"}
    reply = post(engine, path, base | body)
    assert reply.status == 200, reply.body
    return engine.submitted


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"response_format": FORMAT}, '{"a":1}'),
        ({"response_format": {"type": "json_object"}}, '{"b":[null]}'),
        ({"json_schema": SCHEMA}, '{"a":1}'),
        ({"guided_json": SCHEMA}, '{"a":1}'),
        ({"structured_outputs": {"json": SCHEMA, "whitespace": "free"}}, '{ "a": 1 }'),
        ({"structured_outputs": {"choice": ["yes", "no"]}}, "no"),
        ({"guided_choice": ["yes", "no"]}, "yes"),
        ({"guided_regex": "[a-f]{3}"}, "abc"),
        ({"grammar": 'root ::= "x" root | "y"'}, "xxy"),
    ],
)
def test_a_grammar_is_submitted_compiled(path: str, fields: dict[str, Any], text: str) -> None:
    [submit] = submitted(path, **fields)
    assert allows(submit.sampling.grammar, text)
    assert not allows(submit.sampling.grammar, text + "!")


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_words_of_a_schema_that_say_nothing_are_named(path: str) -> None:
    schema = {"properties": {"a": {"type": "integer", "minimun": 1, "title": "A"}}}
    base = HELLO if path == CHAT else {"prompt": "hello"}
    reply = post(FakeEngine(speaks("hi")), path, base | {"json_schema": schema, "frobnicate": 1})
    ignored = ["frobnicate", "json_schema#/properties/a/minimun"]
    assert reply.json["forge"] == {"ignored": ignored}


def test_decimals_of_a_schema_are_those_the_client_wrote() -> None:
    written = "0.1000000000000000000000001"
    body = f'{{"prompt":"hi","json_schema":{{"const":{written}}}}}'
    engine = FakeEngine(speaks("hi"))
    headers = {"Content-Type": "application/json"}
    serve(engine, lambda api: api.send("POST", COMPLETIONS, data=body, headers=headers))
    [submit] = engine.submitted
    assert allows(submit.sampling.grammar, written)
    assert not allows(submit.sampling.grammar, "0.1")


def test_without_one_nothing_is_submitted() -> None:
    [submit] = submitted(response_format={"type": "text"})
    assert submit.sampling.grammar is None


def test_everything_else_goes_along() -> None:
    options = {"n": 3, "logprobs": True, "top_logprobs": 2, "stop": ["x"], "seed": 5}
    [submit] = submitted(response_format=FORMAT, **options, min_tokens=2, ignore_eos=True)
    sampling = submit.sampling
    assert (sampling.num_choices, sampling.num_logprobs, sampling.seed) == (3, 2, 5)
    assert (sampling.min_tokens, sampling.eos_token_ids) == (2, ())
    assert sampling.grammar is not None


def test_each_prompt_takes_it_along() -> None:
    submits = submitted(COMPLETIONS, prompt=["a", "b"], guided_choice=["x"])
    assert len({submit.sampling.grammar for submit in submits}) == 1
    assert len(submits) == 2


def test_a_large_grammar_for_many_prompts_is_refused() -> None:
    texts = [f"{number:0>4000}" for number in range(900)]
    body = {"prompt": ["a"] * 128, "guided_choice": texts}
    reply = serve(FakeEngine(speaks("hi")), lambda api: send_large(api, COMPLETIONS, body))
    assert (reply.status, reply.error["param"]) == (400, "prompt")
    assert reply.error["code"] == "grammar_too_large"


def test_a_reply_that_is_cut_off_ends_with_length() -> None:
    engine = FakeEngine(speaks('{"a":', reason=FinishReason.LENGTH))
    reply = post(engine, CHAT, HELLO | {"response_format": FORMAT, "max_tokens": 3})
    [choice] = reply.json["choices"]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["content"]


def test_a_constrained_reply_is_content_even_if_it_looks_like_a_call() -> None:
    call = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    reply = chat(call, tools=[TOOL], guided_choice=[call])
    [choice] = reply.json["choices"]
    assert choice["message"]["content"] == call
    assert choice["finish_reason"] == "stop"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "f"}}])
def test_a_forced_call_and_a_grammar_exclude_each_other(choice: Any) -> None:
    reply = chat(tools=[TOOL], tool_choice=choice, json_schema=SCHEMA)
    assert (reply.status, reply.error["param"]) == (400, "tool_choice")
    assert "`json_schema`" in reply.error["message"]


def test_a_schema_that_cannot_be_kept_is_refused_with_its_place() -> None:
    schema = {"properties": {"a": {"type": "string", "pattern": r"(a)\1"}}}
    reply = chat(response_format={"type": "json_schema", "json_schema": {"schema": schema}})
    assert reply.status == 400
    assert reply.error["param"] == "response_format.json_schema.schema"
    assert reply.error["code"] == "unsupported_schema"
    assert "pattern" in reply.error["message"]
    assert "/properties/a/pattern" in reply.error["message"]


@pytest.mark.parametrize("path", [CHAT, COMPLETIONS])
def test_two_grammars_are_refused_by_name(path: str) -> None:
    base = {"prompt": "x"} if path == COMPLETIONS else HELLO
    body = base | {"response_format": FORMAT, "guided_regex": "a"}
    reply = post(FakeEngine(speaks("hi")), path, body)
    assert reply.status == 400
    assert "`response_format.json_schema.schema` and `guided_regex`" in reply.error["message"]


def test_a_slow_grammar_does_not_hold_up_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """All the CPU time it may have goes by in another process, and the event loop ticks on.

    Ticks are counted, not timed: a machine that is busy otherwise makes each of them late.
    """
    monkeypatch.setattr(compiler, "MODULE", "tests.api.confined.misbehaving")
    num_ticks = 0

    async def tick(slow: asyncio.Task[Reply]) -> None:
        nonlocal num_ticks
        while not slow.done():
            await asyncio.sleep(0.002)
            num_ticks += 1

    async def test(api: Api) -> tuple[Reply, int]:
        grammars = Grammars(Metrics().grammars, Compiler(max_cpu_s=0.6))
        monkeypatch.setattr(api.services.validator, "_grammars", grammars)
        slow = asyncio.create_task(api.post(CHAT, HELLO | {"guided_choice": ["spin"]}))
        ticking = asyncio.create_task(tick(slow))
        num_streams = 0
        while not slow.done():
            reply = await api.post(CHAT, HELLO | {"stream": True})
            assert reply.joined() == "hi"
            num_streams += 1
        await ticking
        grammars.close()
        return await slow, num_streams

    reply, num_streams = serve(FakeEngine(speaks("hi")), test)
    assert (reply.status, reply.error["code"]) == (400, "grammar_too_large")
    assert reply.error["param"] == "guided_choice"
    assert num_streams > 5
    assert num_ticks > 20


def test_a_client_that_leaves_while_its_grammar_is_compiled_leaves_nothing() -> None:
    async def test(api: Api) -> int:
        sending = asyncio.create_task(send_large(api, CHAT, SLOW_BODY))
        await until(lambda: api.services.grammars.num_compiling == 1)
        sending.cancel()
        await until(lambda: api.services.grammars.num_compiling == 0)
        return (await api.post(CHAT, HELLO | {"guided_choice": ["x"]})).status

    assert serve(FakeEngine(speaks("hi")), test) == 200


def test_what_compiling_costs_is_measured() -> None:
    async def test(api: Api) -> str:
        for _ in range(2):
            await api.post(CHAT, HELLO | {"guided_choice": ["a", "b"]})
        await api.post(CHAT, HELLO | {"json_schema": {"type": "nothing"}})
        return (await api.get("/metrics")).body.decode()

    text = serve(FakeEngine(speaks("hi")), test)
    assert 'forge_grammar_compile_seconds_count{outcome="compiled"} 1.0' in text
    assert 'forge_grammar_compile_seconds_count{outcome="refused"} 1.0' in text
    assert "forge_grammar_cache_hits_total 1.0" in text
    assert "forge_grammar_cache_misses_total 2.0" in text


def test_tokens_of_the_reply_are_the_schedulers() -> None:
    """The API adds nothing to a constrained reply and takes nothing away."""

    def script(submit: Any) -> Any:
        ids = TOKENIZER.encode('{"a":1}')
        yield output_of(submit, 0, ids, FinishReason.STOP, is_first=True)

    reply = post(FakeEngine(script), CHAT, HELLO | {"response_format": FORMAT})
    assert reply.json["choices"][0]["message"]["content"] == '{"a":1}'


TOO_COSTLY = Failure("it costs too much", RequestErrorKind.INVALID, "grammar", "grammar_too_costly")


def fails_by_its_grammar(submit: Any) -> Any:
    yield output_of(submit, 0, [], FinishReason.ERROR, error=TOO_COSTLY)


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, {"response_format": FORMAT}, "response_format.json_schema.schema"),
        (CHAT, {"guided_regex": "ab"}, "guided_regex"),
        (COMPLETIONS, {"regex": "ab"}, "regex"),
    ],
)
def test_grammar_that_fails_while_it_is_followed_is_a_400_naming_its_field(
    path: str, fields: dict[str, Any], param: str
) -> None:
    base = HELLO if path == CHAT else {"prompt": "hello"}
    reply = post(FakeEngine(fails_by_its_grammar), path, base | fields)
    assert reply.status == 400
    assert reply.error == {
        "message": "it costs too much",
        "type": "invalid_request_error",
        "param": param,
        "code": "grammar_too_costly",
    }


def test_in_a_stream_the_last_event_says_whose_fault_it_is() -> None:
    engine = FakeEngine(fails_by_its_grammar)
    reply = post(engine, CHAT, HELLO | {"regex": "ab", "stream": True})
    error = reply.events[-1]["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", "regex")
