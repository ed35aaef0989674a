"""Keys guard every route but the public ones, by what was matched and not by what was written."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from tests.api.fakes import Api, FakeEngine, Reply, serve, speaks


def get_with(path: str, authorization: str | None, method: str = "GET", **http: Any) -> Reply:
    headers = {} if authorization is None else {"Authorization": authorization}

    async def ask(api: Api) -> Reply:
        url = URL(api.url + path, encoded=True)
        async with api.session.request(method, url, headers=headers) as response:
            return Reply(response.status, response.headers, await response.read())

    return serve(FakeEngine(speaks("hi")), ask, **{"api_key": ("one", "two"), **http})


@pytest.mark.parametrize("path", ["/v1/models", "/metrics", "/forge/v1/health", "/nothing"])
@pytest.mark.parametrize("authorization", [None, "Bearer three", "Basic one", "Bearer", "one"])
def test_without_a_known_key_every_route_is_a_401(path: str, authorization: str | None) -> None:
    reply = get_with(path, authorization)
    assert reply.status == 401
    assert reply.error["code"] == "invalid_api_key"


@pytest.mark.parametrize("authorization", ["Bearer one", "bearer two"])
def test_any_of_the_keys_opens(authorization: str) -> None:
    assert get_with("/v1/models", authorization).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/health"])
def test_probes_need_no_key(path: str) -> None:
    assert get_with(path, None).status == 200


@pytest.mark.parametrize(
    "path",
    ["//v1/models", "/v1/models/../../livez", "/%6civez/../metrics", "/livez/", "/livez%2f.."],
)
def test_no_way_of_writing_a_path_opens_what_the_router_did_not_match(path: str) -> None:
    assert get_with(path, None).status in (200, 401)
    if get_with(path, None).status == 200:
        assert get_with(path, None).json == {"status": "ok", "reason": None}


def test_path_as_encoded_is_the_route_it_matches() -> None:
    assert get_with("/%6c%69vez", None).status == 200
    assert get_with("/v1/%6dodels", None).status == 401


def test_method_that_a_public_path_does_not_take_needs_a_key() -> None:
    assert get_with("/livez", None, "POST").status == 401
    assert get_with("/livez", "Bearer one", "POST").status == 405
