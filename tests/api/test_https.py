"""HTTPS as the settings ask for it: served, asked of clients, and changed while it serves."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from pathlib import Path

import aiohttp
import pytest

from forge_api import serving
from forge_common.health import check
from forge_common.tls import loopback_context
from tests.api.fakes import Api, FakeEngine, serve, speaks
from tests.certificates import FIRST, SECOND, trusting


async def status_with(api: Api, context: ssl.SSLContext) -> int:
    """Over a connection of its own."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(api.url + "/livez", ssl=context) as response,
    ):
        return response.status


def test_https_is_served_and_plain_http_is_not() -> None:
    async def ask(api: Api) -> int:
        assert api.url.startswith("https://")
        with pytest.raises(aiohttp.ClientError):
            await api.session.get(api.url.replace("https", "http") + "/livez")
        return await status_with(api, trusting(FIRST))

    assert serve(FakeEngine(speaks("hi")), ask, ssl_certfile=str(FIRST)) == 200


def test_client_without_a_certificate_is_refused_where_one_is_asked_for() -> None:
    async def ask(api: Api) -> int:
        with pytest.raises((aiohttp.ClientError, ssl.SSLError)):
            await status_with(api, trusting(FIRST))
        own = loopback_context(api.services.http)
        assert own is not None
        return await status_with(api, own)

    files = {"ssl_certfile": str(FIRST), "ssl_ca_certs": str(FIRST)}
    assert serve(FakeEngine(speaks("hi")), ask, **files) == 200


def test_reload_changes_the_certificate_and_a_broken_one_does_not(tmp_path: Path) -> None:
    path = tmp_path / "server.pem"
    shutil.copy(FIRST, path)

    async def ask(api: Api) -> None:
        path.write_text("broken")
        api.server.reload()
        assert await status_with(api, trusting(FIRST)) == 200
        shutil.copy(SECOND, path)
        api.server.reload()
        assert await status_with(api, trusting(SECOND)) == 200
        with pytest.raises(aiohttp.ClientError):
            await status_with(api, trusting(FIRST))

    serve(FakeEngine(speaks("hi")), ask, ssl_certfile=str(path))


def test_health_check_speaks_tls() -> None:
    async def ask(api: Api) -> str | None:
        environment = {"FORGE_PORT": str(api.server.port), "FORGE_SSL_CERTFILE": str(FIRST)}
        return await asyncio.to_thread(check, ["api"], environment)

    assert serve(FakeEngine(speaks("hi")), ask, ssl_certfile=str(FIRST)) is None


def test_client_that_never_shakes_hands_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "HANDSHAKE_S", 0.1)

    async def wait(api: Api) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", api.server.port)
        try:
            return await asyncio.wait_for(reader.read(), 5.0)
        finally:
            writer.close()

    assert serve(FakeEngine(speaks("hi")), wait, ssl_certfile=str(FIRST)) == b""
