"""Clients over HTTP, each in its own manner: whole, streamed, slowly, leaving in the middle."""

from __future__ import annotations

import asyncio
import json
import random
import socket
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import aiohttp

from tests.soak.cases import Case
from tests.soak.reply import Reply, is_begin, is_same, reply_of
from tests.soak.tally import Tally

MANNERS = {"whole": 30, "stream": 45, "slow": 10, "leaves": 15}
REQUEST_TIMEOUT_S = 180.0
KEEPALIVE_S = 4.0
MAX_THOUGHT_S = 0.6  # between two requests of a client
SLOW_READ_S = 0.03
SMALL_BUFFER_BYTES = 4096
BROKEN = (aiohttp.ClientError, OSError)


class Refused(Exception):
    """An answer that is no 200, or an error in a stream."""


class HttpClient:
    """One client with connections of its own; asks one request after another."""

    def __init__(self, url: str, tally: Tally, seed: int) -> None:
        self._url = url
        self._tally = tally
        self._chance = random.Random(seed)
        connector = aiohttp.TCPConnector(keepalive_timeout=KEEPALIVE_S, socket_factory=_socket)
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)

    async def close(self) -> None:
        await self._session.close()

    async def reference(self, case: Case) -> Reply:
        """What it says when nothing happens; as a stream, so that the end of one is seen too."""
        return reply_of([event async for event in self._events(case)])

    async def run(self, cases: list[Case], expected: dict[str, Reply], stop: asyncio.Event) -> None:
        """Until `stop`; what is under way then is read to its end."""
        manners, weights = list(MANNERS), list(MANNERS.values())
        while not stop.is_set():
            case = self._chance.choice(cases)
            (manner,) = self._chance.choices(manners, weights)
            await self._ask(case, manner, expected[case.name])
            await asyncio.sleep(self._chance.uniform(0.0, MAX_THOUGHT_S))

    async def _ask(self, case: Case, manner: str, expected: Reply) -> None:
        """Again, where the API process that answered was killed."""
        while True:
            try:
                await self._ask_once(case, manner, expected)
            except BROKEN as error:
                if self._tally.is_by_api_death():
                    self._tally.num_lost_with_api += 1
                    continue
                self._tally.lost(f"{case.name}, {manner}: {error!r}")
            except (TimeoutError, Refused) as error:
                self._tally.lost(f"{case.name}, {manner}: {error!r}")
            return

    async def _ask_once(self, case: Case, manner: str, expected: Reply) -> None:
        if manner == "whole":
            events = [await self._whole(case)]
        else:
            events = await self._stream(case, manner)
        reply = reply_of(events)
        is_right = is_begin(events, expected) if manner == "leaves" else is_same(reply, expected)
        if not is_right:
            self._tally.wrong(f"{case.name}, {manner}: {reply} instead of {expected}")
        self._tally.ended(manner, reply.num_tokens)

    async def _whole(self, case: Case) -> dict[str, Any]:
        async with self._session.post(self._url + case.path, json=case.body) as response:
            return json.loads(await _checked(response))  # type: ignore[no-any-return]

    async def _stream(self, case: Case, manner: str) -> list[dict[str, Any]]:
        num_wanted = self._chance.randrange(1, 60) if manner == "leaves" else None
        is_slow = manner == "slow"
        events = []
        async with aclosing(self._events(case)) as coming:
            with self._tally.watch(is_timed=not is_slow) as watch:
                async for event in coming:
                    events.append(event)
                    watch.event()
                    if len(events) == num_wanted:
                        break  # and the connection is closed
                    if is_slow:
                        await asyncio.sleep(self._chance.uniform(0.0, SLOW_READ_S))
        return events

    async def _events(self, case: Case) -> AsyncGenerator[dict[str, Any]]:
        body = case.body | {"stream": True, "stream_options": {"include_usage": True}}
        is_done = False
        async with self._session.post(self._url + case.path, json=body) as response:
            if response.status != 200:
                await _checked(response)
            async for line in response.content:
                data = line.removeprefix(b"data: ").strip()
                is_done = is_done or data == b"[DONE]"
                if data and data != b"[DONE]":
                    yield _event(data)
        if not is_done:
            raise Refused("a stream ends without [DONE]")


async def _checked(response: aiohttp.ClientResponse) -> bytes:
    data = await response.read()
    if response.status != 200:
        raise Refused(f"{response.status}: {data[:300]!r}")
    return data


def _event(data: bytes) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(data)
    if "error" in event:
        raise Refused(f"in a stream: {event['error']}")
    return event


def _socket(address: Any) -> socket.socket:
    """With a small buffer, so that one who reads slowly is felt at the other end."""
    family, kind, protocol, _, _ = address
    made = socket.socket(family, kind, protocol)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER_BYTES)
    return made
