"""Keys guard every route but the probes."""

from __future__ import annotations

import pytest

from tests.api.fakes import FakeEngine, Reply, serve, speaks


def get_with(path: str, authorization: str | None) -> Reply:
    headers = {} if authorization is None else {"Authorization": authorization}
    return serve(
        FakeEngine(speaks("hi")),
        lambda api: api.get(path, headers=headers),
        api_key=("one", "two"),
    )


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
