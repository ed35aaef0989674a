"""Pages of the named origins may call, and read what comes back; those of others may not."""

from __future__ import annotations

from typing import Any

from tests.api.fakes import HELLO, FakeEngine, Reply, serve, speaks

OURS = "https://app.example.com"
PREFLIGHT = {
    "Origin": OURS,
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization, content-type, x-stainless-os",
}


def send(method: str, path: str, headers: dict[str, str], **http: Any) -> Reply:
    settings = {"cors_allow_origin": (OURS,), "api_key": ("one",), **http}
    body = {"json": HELLO} if method == "POST" else {}
    return serve(
        FakeEngine(speaks("hi")),
        lambda api: api.send(method, path, headers=headers, **body),
        **settings,
    )


def test_preflight_is_answered_before_a_key_is_asked_for() -> None:
    reply = send("OPTIONS", "/v1/chat/completions", PREFLIGHT)
    assert reply.status == 204
    assert reply.headers["Access-Control-Allow-Origin"] == OURS
    assert "POST" in reply.headers["Access-Control-Allow-Methods"]
    assert "authorization" in reply.headers["Access-Control-Allow-Headers"]


def test_reply_names_the_origin_and_what_may_be_read() -> None:
    headers = {"Origin": OURS, "Authorization": "Bearer one"}
    reply = send("POST", "/v1/chat/completions", headers)
    assert reply.status == 200
    assert reply.headers["Access-Control-Allow-Origin"] == OURS
    assert reply.headers["Vary"] == "Origin"
    exposed = reply.headers["Access-Control-Expose-Headers"].lower()
    assert "x-request-id" in exposed
    assert "x-ratelimit-remaining-tokens" in exposed


def test_page_can_read_an_error_too() -> None:
    reply = send("POST", "/v1/chat/completions", {"Origin": OURS})
    assert reply.status == 401
    assert reply.headers["Access-Control-Allow-Origin"] == OURS


def test_strangers_page_gets_no_permission() -> None:
    for headers in ({**PREFLIGHT, "Origin": "https://evil.example"}, {"Origin": "null"}):
        reply = send("OPTIONS", "/v1/chat/completions", headers)
        assert reply.status == 401
        assert "Access-Control-Allow-Origin" not in reply.headers
        assert reply.headers["Vary"] == "Origin"


def test_any_origin_never_comes_with_credentials() -> None:
    reply = send("OPTIONS", "/v1/models", PREFLIGHT, cors_allow_origin=("*",))
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in reply.headers


def test_off_unless_asked_for() -> None:
    reply = send("OPTIONS", "/v1/models", PREFLIGHT, cors_allow_origin=())
    assert reply.status == 401
    assert "Vary" not in reply.headers
