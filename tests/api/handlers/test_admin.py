"""Admin routes open to an admin's key only, and are not there where nobody has one."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.fakes import Api, FakeEngine, Reply, serve, speaks

KEYS, DRAIN = "/forge/v1/admin/keys", "/forge/v1/admin/drain"


def send(method: str, path: str, key: str | None, **http: Any) -> Reply:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    return serve(
        FakeEngine(speaks("hi")), lambda api: api.send(method, path, headers=headers), **http
    )


@pytest.mark.parametrize(("method", "path"), [("GET", KEYS), ("POST", DRAIN)])
def test_without_an_admin_key_there_is_no_such_route(method: str, path: str) -> None:
    assert send(method, path, None).status == 404
    assert send(method, path, "one", api_key=("one",)).status == 404


@pytest.mark.parametrize(("method", "path"), [("GET", KEYS), ("POST", DRAIN)])
@pytest.mark.parametrize(("key", "status"), [(None, 401), ("wrong", 401), ("one", 403)])
def test_other_keys_do_not_open_it(method: str, path: str, key: str | None, status: int) -> None:
    assert send(method, path, key, api_key=("one",), admin_key="root").status == status


def test_open_server_still_keeps_its_admin_routes_to_the_admin() -> None:
    assert send("GET", KEYS, None, admin_key="root").status == 403
    assert send("GET", "/v1/models", None, admin_key="root").status == 200


def test_keys_are_listed_without_secrets() -> None:
    reply = send("GET", KEYS, "root-secret", api_key=("one-secret",), admin_key="root-secret")
    assert [key["name"] for key in reply.json["keys"]] == ["key-1", "admin"]
    assert b"secret" not in reply.body


def num_stops(*, is_draining: bool, num_asked: int) -> int:
    stops: list[bool] = []

    async def drain(api: Api) -> list[int]:
        api.services.lifecycle.stop = lambda: stops.append(True)
        api.services.lifecycle.is_draining = is_draining
        headers = {"Authorization": "Bearer root"}
        return [(await api.send("POST", DRAIN, headers=headers)).status for _ in range(num_asked)]

    statuses = serve(FakeEngine(speaks("hi")), drain, admin_key="root")
    assert statuses == [200] * num_asked
    return len(stops)


def test_drain_asks_the_process_to_stop() -> None:
    assert num_stops(is_draining=False, num_asked=1) == 1


def test_asking_again_ends_nothing_sooner() -> None:
    assert num_stops(is_draining=False, num_asked=2) == 1
    assert num_stops(is_draining=True, num_asked=1) == 0
