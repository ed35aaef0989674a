"""Middlewares of the operator's own run inside all of Forge's; what is wrong with one is told."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from forge_api.errors import invalid_request
from forge_api.middleware.auth import KEY
from forge_api.middleware.plugins import load_middleware
from forge_common.errors import ConfigError
from tests.api.fakes import HELLO, FakeEngine, Reply, serve, speaks

HERE = "tests.api.middleware.test_plugins"


def tagging() -> Any:
    async def tag(request: web.Request, handler: Any) -> web.StreamResponse:
        response = await handler(request)
        response.headers["X-Tag"] = f"{request[KEY].name} {response.headers.get('X-Inner', '-')}"
        return response

    return tag


def inner() -> Any:
    class Inner:
        async def __call__(self, request: web.Request, handler: Any) -> web.StreamResponse:
            response = await handler(request)
            response.headers["X-Inner"] = "inner"
            return response

    return Inner()


def refusing() -> Any:
    async def refuse(request: web.Request, handler: Any) -> web.StreamResponse:
        raise invalid_request("no", code="not_today", status=418)

    return refuse


def failing() -> Any:
    raise ValueError("no database")


def returns_nothing() -> Any: ...


def returns_function_of_one() -> Any:
    async def one(request: web.Request) -> None: ...

    return one


def ask(*names: str, key: str = "one") -> Reply:
    headers = {"Authorization": f"Bearer {key}"}
    return serve(
        FakeEngine(speaks("hi")),
        lambda api: api.post("/v1/chat/completions", HELLO, headers=headers),
        middleware=tuple(f"{HERE}:{name}" for name in names),
        api_key=("one",),
    )


def test_first_is_outermost_and_all_know_the_key() -> None:
    assert ask("tagging", "inner").headers["X-Tag"] == "key-1 inner"


def test_what_is_not_let_in_is_not_seen() -> None:
    reply = ask("tagging", key="wrong")
    assert reply.status == 401
    assert "X-Tag" not in reply.headers


def test_errors_of_a_middleware_become_openais_object() -> None:
    reply = ask("refusing")
    assert (reply.status, reply.error["code"]) == (418, "not_today")
    assert reply.headers["X-Request-Id"]


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nothing", "say package.module:factory"),
        ("a.b:", "say package.module:factory"),
        ("no_such_module_here:make", "cannot import no_such_module_here"),
        (f"{HERE}:absent", "has no function absent"),
        (f"{HERE}:failing", "ValueError: no database"),
        (f"{HERE}:returns_nothing", "it must return"),
        (f"{HERE}:returns_function_of_one", "it must return"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(place: str, said: str) -> None:
    with pytest.raises(ConfigError) as raised:
        load_middleware(place)
    assert said in str(raised.value)
