"""Every request has a status in the end, whatever became of it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from forge_api.middleware.reply_status import CLIENT_GONE, SERVER_ERROR, reply_of


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (None, 204),
        (asyncio.CancelledError(), CLIENT_GONE),
        (ConnectionResetError(), CLIENT_GONE),
        (RuntimeError(), SERVER_ERROR),
    ],
)
def test_status_is_noted_however_a_request_ends(
    failure: BaseException | None, expected: int
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if failure is not None:
            raise failure
        return web.Response(status=204)

    noted: list[int] = []
    replied = reply_of(handler, make_mocked_request("GET", "/"), noted.append)
    with nullcontext() if failure is None else pytest.raises(type(failure)):
        asyncio.run(replied)
    assert noted == [expected]
