"""Whatever is sent, the answer is a reply or an error object, never a 500."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from forge_api.openai_types import ChatCompletionRequest, CompletionRequest, TokenizeRequest
from tests.api.fakes import HELLO, Api, FakeEngine, serve, speaks

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2, 16, 17, 1e308, -0.0, 0.5, 2**31, 2**63, 10**30, "", "a", "\0",
    "é" * 100, "auto", "none", "text", "user", [], [[]], [1], ["a"], [None], [-1], [10**12], [{}],
    {}, ["a" * 99],    {"type": "text"}, {"1": 5}, {"a": 1},
    {"role": "user", "content": "hi"}, {"include_usage": True},
    [{"role": "user", "content": "hi"}], [{"role": "assistant", "content": None}],
    [{"role": "tool", "content": "x"}], [{"type": "function", "function": {"name": "f"}}],
    [{"role": "user", "content": [{"type": "text", "text": "x"}]}], {"enable_thinking": True},
    {"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": {"const": 1e308}}},
    {"type": "json_object", "schema": {"$ref": "#"}}, {"json": {"items": {"$ref": "#/items"}}},
    {"regex": "(a*)*b|[^\0]{1,900}"}, {"choice": ["", "é"]}, {"grammar": 'root ::= root | "a"'},
    {"json": "{", "whitespace": "free"}, {"whitespace": "free"}, {"json_object": True}, {"json": 1},
    "(", "[", "root ::= x", '{"type": ["string", 5]}', '{"enum": [NaN]}', {"enum": [[], {}, 1e9]},
    {"type": "number", "multipleOf": -0.0}, {"$ref": "http://x/y"}, {"allOf": [{"not": {}}, True]},
]  # fmt: skip
ROUTES = {
    "/v1/chat/completions": (ChatCompletionRequest, HELLO),
    "/v1/completions": (CompletionRequest, {"prompt": "hello"}),
    "/tokenize": (TokenizeRequest, {"prompt": "hello"}),
}
FINE = {200, 400, 404, 429}


@pytest.mark.parametrize("path", ROUTES)
def test_any_value_in_any_field(path: str) -> None:
    body_type, base = ROUTES[path]
    fields = body_type.__struct_fields__

    async def test(api: Api) -> None:
        for field in fields:
            for value in VALUES:
                reply = await api.post(path, base | {field: value})
                assert reply.status in FINE, (field, value, reply.body)

    serve(FakeEngine(speaks("hi")), test)


@pytest.mark.parametrize("path", ROUTES)
def test_any_mixture_of_fields(path: str) -> None:
    body_type, base = ROUTES[path]
    generator = random.Random(path)
    fields = body_type.__struct_fields__

    async def test(api: Api) -> None:
        for _ in range(300):
            chosen = generator.sample(fields, 3)
            body = base | {field: generator.choice(VALUES) for field in chosen}
            reply = await api.post(path, body)
            assert reply.status in FINE, (body, reply.body)

    serve(FakeEngine(speaks("hi")), test)


def test_any_bytes_on_the_socket() -> None:
    generator = random.Random(1)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    starts = [b"", b"GET / HTTP/1.1\r\n", head, head + b"Content-Length: 20\r\n\r\n"]

    async def send(api: Api, data: bytes) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
        writer.write(data + b"\r\n\r\n")
        writer.write_eof()
        reply = await reader.read()
        writer.close()
        assert not reply or int(reply.split()[1]) < 500, (data, reply)

    async def test(api: Api) -> int:
        for _ in range(200):
            await send(api, generator.choice(starts) + generator.randbytes(40))
        return (await api.get("/livez")).status

    assert serve(FakeEngine(speaks("hi")), test) == 200


def test_deep_nesting_is_refused() -> None:
    deep = "[" * 5000 + "]" * 5000
    body = '{"messages":[{"role":"user","content":"a"}],"metadata":' + deep + "}"

    async def test(api: Api) -> int:
        headers = {"Content-Type": "application/json"}
        path = "/v1/chat/completions"
        return (await api.send("POST", path, data=body, headers=headers)).status

    assert serve(FakeEngine(speaks("hi")), test) == 400
