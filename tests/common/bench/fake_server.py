"""An OpenAI-compatible server in this process, with delays and faults that a test chooses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script(NamedTuple):
    """A reply: so long until its first event, so long between two, so many events and tokens."""

    first_s: float = 0.0
    gap_s: float = 0.0
    num_events: int = 3
    num_tokens: int | None = None
    num_prompt_tokens: int = 11
    num_cached_tokens: int | None = None
    is_broken: bool = False  # the connection is closed behind the last event
    ends_with_done: bool = True
    error: Any = None  # an event behind the others


def event(body: Any) -> bytes:
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def streaming(script: Script) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(event({"choices": [{"delta": {"role": "assistant"}}]}))
        for number in range(script.num_events):
            await asyncio.sleep(script.gap_s if number else script.first_s)
            await response.write(event({"choices": [{"delta": {"content": f"w{number} "}}]}))
        await _end(request, response, script)
        return response

    return handle


async def _end(request: web.Request, response: web.StreamResponse, script: Script) -> None:
    if script.error is not None:
        await response.write(event({"error": script.error}))
    if script.is_broken:
        assert request.transport is not None
        request.transport.abort()
        return
    if script.num_tokens is not None:
        usage: dict[str, Any] = {
            "prompt_tokens": script.num_prompt_tokens,
            "completion_tokens": script.num_tokens,
        }
        if script.num_cached_tokens is not None:
            usage["prompt_tokens_details"] = {"cached_tokens": script.num_cached_tokens}
        await response.write(event({"choices": [], "usage": usage}))
    if script.ends_with_done:
        await response.write(b"data: [DONE]\n\n")


def saying(status: int, text: str, **headers: str) -> Handler:
    async def handle(_: web.Request) -> web.StreamResponse:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=status, text=text, headers=named)

    return handle


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[str]:
    """The address of the API, as `--url` takes it."""

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": "first"}, {"id": "second"}]})

    app = web.Application()
    app.router.add_get("/v1/models", models)
    app.router.add_post("/v1/chat/completions", handler)
    app.router.add_post("/v1/completions", handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/v1"))
