"""X-Request-Deadline-Ms: by when a request is of no use any more, counted from its arrival.

Until the engine has taken a request, its handler is ended at that time; from then on the stream of
its outputs is, so that what was begun ends with an error event. Either way it is aborted, and a
wait that the queue foretells to be too long is refused before it begins. Knows no engine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from aiohttp import web
from aiohttp.typedefs import Handler

from forge_api.errors import invalid_request
from forge_api.middleware.arrival import ARRIVED_AT
from forge_api.output_stream import OutputStream
from forge_common.errors import RequestError, RequestErrorKind

HEADER = "X-Request-Deadline-Ms"
LAST_WORDS_S = 1.0  # for a client that does not read to take its last event
MAX_DEADLINE_MS = 24 * 3600 * 1000
_WELL_FORMED = re.compile(r"[0-9]{1,9}\Z")


class Deadline:
    """Of one request; times are those of the running loop."""

    def __init__(self, timeout: asyncio.Timeout, at_s: float) -> None:
        self._timeout = timeout
        self._at_s = at_s

    @property
    def remaining_s(self) -> float:
        return max(self._at_s - asyncio.get_running_loop().time(), 0.0)

    @contextmanager
    def ends(self, stream: OutputStream) -> Iterator[None]:
        """From here on the stream is what ends in time."""
        self._timeout.reschedule(None)
        loop = asyncio.get_running_loop()
        alarms = (
            loop.call_at(self._at_s, stream.fail, deadline_exceeded()),
            loop.call_at(self._at_s + LAST_WORDS_S, stream.give_up),
        )
        try:
            yield
        finally:
            for alarm in alarms:
                alarm.cancel()


DEADLINE = web.RequestKey("deadline", Deadline)


@web.middleware
async def keep_deadline(request: web.Request, handler: Handler) -> web.StreamResponse:
    asked = request.headers.get(HEADER)
    if asked is None:
        return await handler(request)
    passed_s = perf_counter() - request[ARRIVED_AT]
    at_s = asyncio.get_running_loop().time() + milliseconds_of(asked) / 1000 - passed_s
    timeout = asyncio.timeout_at(at_s)
    request[DEADLINE] = Deadline(timeout, at_s)
    try:
        async with timeout:
            return await handler(request)
    except TimeoutError as error:
        if timeout.expired():
            raise deadline_exceeded() from error
        raise


def milliseconds_of(text: str) -> int:
    if not _WELL_FORMED.match(text) or not 1 <= int(text) <= MAX_DEADLINE_MS:
        raise invalid_request(
            f"{HEADER} must be a whole number of milliseconds from 1 to {MAX_DEADLINE_MS}",
            param=HEADER,
            code="invalid_header",
        )
    return int(text)


def deadline_exceeded() -> RequestError:
    return RequestError(
        "The deadline of the request has passed",
        code="deadline_exceeded",
        kind=RequestErrorKind.TOO_LATE,
    )
