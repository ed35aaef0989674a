"""Every failure, on any route, is OpenAI's error object."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.fakes import HELLO, Api, FakeEngine, Reply, get, serve, speaks

CHAT = "/v1/chat/completions"
JSON = {"Content-Type": "application/json"}


def send(method: str, path: str, **options: Any) -> Reply:
    return serve(FakeEngine(speaks("hi")), lambda api: api.send(method, path, **options))


def assert_error(reply: Reply, status: int, code: str | None) -> None:
    assert reply.status == status
    assert set(reply.json) == {"error"}
    assert set(reply.error) == {"message", "type", "param", "code"}
    assert reply.error["code"] == code
    assert reply.headers["X-Request-Id"]


def test_unknown_path() -> None:
    assert_error(send("GET", "/v1/nothing"), 404, "not_found")


def test_wrong_method() -> None:
    reply = send("GET", CHAT)
    assert_error(reply, 405, "method_not_allowed")
    assert reply.headers["Allow"] == "POST"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b'{"a":"\\ud800"}', b"[" * 10**5])
def test_malformed_json(body: bytes) -> None:
    assert_error(send("POST", CHAT, data=body, headers=JSON), 400, "invalid_json")


def test_an_expectation_nobody_knows() -> None:
    reply = send("POST", CHAT, data=b"{}", headers=JSON | {"Expect": "cake"})
    assert_error(reply, 417, "expectation_failed")
    assert reply.headers["Server"] == "forge"


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/nothing"), ("PUT", CHAT)])
def test_an_expectation_where_nothing_is_served(method: str, path: str) -> None:
    reply = send(method, path, data=b"{}", headers=JSON | {"Expect": "cake"})
    assert_error(reply, 417, "expectation_failed")
    assert reply.headers["Content-Type"].startswith("application/json")


def test_a_client_that_waits_for_leave_to_send_its_body() -> None:
    reply = send("POST", CHAT, json=HELLO, expect100=True)
    assert reply.status == 200


def test_wrong_content_type() -> None:
    headers = {"Content-Type": "text/plain"}
    assert_error(send("POST", CHAT, data=b"{}", headers=headers), 415, "unsupported_media_type")


def test_compressed_body() -> None:
    headers = JSON | {"Content-Encoding": "gzip"}
    reply = send("POST", CHAT, data=b"{}", headers=headers)
    assert_error(reply, 415, "unsupported_content_encoding")


def test_body_that_is_too_large() -> None:
    engine = FakeEngine(speaks("hi"))
    reply = serve(
        engine,
        lambda api: api.send("POST", CHAT, data=b" " * 4096, headers=JSON),
        max_body_bytes=2048,
    )
    assert_error(reply, 413, "request_too_large")


def test_wrong_type_names_the_field_by_its_path() -> None:
    body = {"messages": [{"role": "user", "content": "hi"}, {"role": "user", "content": 5}]}
    reply = send("POST", CHAT, json=body)
    assert_error(reply, 400, None)
    assert reply.error["param"] == "messages[1].content"


def test_missing_field_is_named() -> None:
    assert send("POST", CHAT, json={}).error["param"] == "messages"


def test_image_part_is_named() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:"}}
    body = {"messages": [{"role": "user", "content": [part]}]}
    assert send("POST", CHAT, json=body).error["param"] == "messages[0].content[0].type"


def test_a_bug_is_a_500_that_says_nothing_of_its_cause() -> None:
    engine = FakeEngine(speaks("hi"))
    engine.stats = None
    reply = get(engine, "/forge/v1/health")
    assert_error(reply, 500, "internal_error")
    assert "None" not in reply.error["message"]


def test_what_is_not_http_is_answered_by_an_error_object() -> None:
    async def test(api: Api) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
        writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
        answer = await reader.read()
        writer.close()
        return answer

    answer = serve(FakeEngine(speaks("hi")), test)
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))
    assert b'{"error":{' in answer


def test_request_id_is_the_clients_where_it_is_well_formed() -> None:
    reply = send("GET", "/livez", headers={"X-Request-Id": "abc-1_2"})
    assert reply.headers["X-Request-Id"] == "abc-1_2"


def test_request_id_is_a_new_one_where_it_is_not() -> None:
    reply = send("GET", "/livez", headers={"X-Request-Id": "a b"})
    assert reply.headers["X-Request-Id"] != "a b"


def test_streams_carry_a_request_id() -> None:
    reply = send("POST", CHAT, json=HELLO | {"stream": True}, headers={"X-Request-Id": "mine"})
    assert reply.headers["X-Request-Id"] == "mine"


def test_models_are_found_by_name() -> None:
    assert get(FakeEngine(speaks("hi")), "/v1/models/tiny").json["id"] == "tiny"
    reply = get(FakeEngine(speaks("hi")), "/v1/models/other/name")
    assert_error(reply, 404, "model_not_found")
