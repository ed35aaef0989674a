"""Draining: what runs comes to its end, or to the deadline."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from pathlib import Path

import pytest

from forge_api.serving import Server, serve_until_stopped
from forge_common.errors import ConfigError
from tests.api.fakes import (
    HELLO,
    TOKENIZER,
    Api,
    FakeEngine,
    Reply,
    make_output,
    make_services,
    never_ends,
    serve,
    speaks,
    until,
)

CHAT = "/v1/chat/completions"
STREAM = HELLO | {"stream": True}


async def drained(api: Api, timeout_s: float) -> Reply:
    """The reply of a stream that runs while the server drains."""
    reply = asyncio.create_task(api.post(CHAT, STREAM))
    await until(lambda: api.services.engine.streams)
    await api.server.drain(timeout_s)
    return await reply


def test_a_running_stream_goes_on_to_its_end() -> None:
    engine = FakeEngine(speaks("hello world"), delay_s=0.02)
    reply = serve(engine, lambda api: drained(api, 5.0))
    assert reply.joined() == "hello world"


def test_the_deadline_ends_a_stream_with_an_error_event() -> None:
    engine = FakeEngine(never_ends, delay_s=0.01)
    reply = serve(engine, lambda api: drained(api, 0.05))
    assert reply.events[-1]["error"]["code"] == "service_unavailable"
    assert engine.aborted


def test_new_requests_are_refused_while_draining() -> None:
    async def test(api: Api) -> Reply:
        await api.server.drain(0.0)
        return await api.post(CHAT, HELLO)

    assert serve(FakeEngine(speaks("hi")), test).status == 503


def test_a_signal_drains_and_ends() -> None:
    async def body() -> list[str]:
        urls: list[str] = []
        services = make_services(FakeEngine(speaks("hi")))
        task = asyncio.create_task(serve_until_stopped(services, 1.0, urls.append, urls.append))
        await until(lambda: len(urls) == 2)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 5.0)
        return urls

    listening, ready = asyncio.run(body())
    assert listening == ready
    assert ready.startswith("http://127.0.0.1:")


def test_a_hangup_has_keys_read_again_where_a_file_holds_them(tmp_path: Path) -> None:
    path = tmp_path / "keys.toml"
    path.write_text("")

    async def body() -> list[str]:
        urls: list[str] = []
        services = make_services(FakeEngine(speaks("hi")), api_keys_file=str(path))
        task = asyncio.create_task(serve_until_stopped(services, 1.0, urls.append, urls.append))
        await until(lambda: len(urls) == 2)
        path.write_text('[keys.new]\nkey = "n"')
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: services.access.keys)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 5.0)
        return [key.name for key in services.access.keys]

    assert asyncio.run(body()) == ["new"]


def test_without_files_to_read_a_hangup_is_left_as_it_was() -> None:
    async def body() -> object:
        urls: list[str] = []
        services = make_services(FakeEngine(speaks("hi")))
        task = asyncio.create_task(serve_until_stopped(services, 1.0, urls.append, urls.append))
        await until(lambda: len(urls) == 2)
        found = signal.getsignal(signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 5.0)
        return found

    before = signal.getsignal(signal.SIGHUP)
    assert asyncio.run(body()) == before


def test_a_second_signal_ends_at_once() -> None:
    engine = FakeEngine(lambda submit: iter([make_output(submit, 0, TOKENIZER.encode("a"))]))

    async def body() -> None:
        services = make_services(engine)
        task = asyncio.create_task(serve_until_stopped(services, 60.0, print, print))
        await asyncio.sleep(0.05)
        engine.streams.append(object())
        engine.fail_all = lambda error: None
        os.kill(os.getpid(), signal.SIGTERM)
        await until(lambda: services.lifecycle.is_draining)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 5.0)

    asyncio.run(body())


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        services = make_services(FakeEngine(speaks("hi")))
        services = type(services)(
            **{name: getattr(services, name) for name in services.__struct_fields__}
            | {"http": type(services.http)(port=taken.getsockname()[1])}
        )

        async def body() -> None:
            async with Server(services):
                pass

        with pytest.raises(ConfigError, match=r"cannot listen on 127.0.0.1 port"):
            asyncio.run(body())
