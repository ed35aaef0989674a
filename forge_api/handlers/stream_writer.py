"""Writes a reply as server-sent events, to a client that may read slowly or not at all.

Knows nothing of what stands in an event.
"""

from __future__ import annotations

import asyncio
import logging

from aiohttp import web

from forge_api import sse
from forge_api.errors import api_error_from, internal_error
from forge_api.handlers.reply_kind import Stream
from forge_api.handlers.run import Run
from forge_api.middleware.request_id import REQUEST_ID
from forge_api.output_stream import OutputStream
from forge_api.services import SERVICES
from forge_api.tracing.trace import trace_id_of
from forge_common.errors import RequestError
from forge_common.log import fields_of

STALLED_WRITE_S = 60.0

logger = logging.getLogger(__name__)


class StreamWriter:
    """Writes the events of one stream. Failures after the 200 become its last event."""

    def __init__(self, http: web.Request, run: Run) -> None:
        self._http = http
        self._run = run
        self._services = http.app[SERVICES]
        self._response = web.StreamResponse(headers=sse.HEADERS)

    async def write_all(
        self, stream: OutputStream, chunks: Stream, include_usage: bool
    ) -> web.StreamResponse:
        stream.on_overflow = self._hang_up
        await self._response.prepare(self._http)
        try:
            await self._write_events(stream, chunks, include_usage)
        except RequestError as error:
            self._run.outcome = "error"
            await self._write(sse.error_event(api_error_from(error)))
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception:
            known = fields_of(request_id=self._http[REQUEST_ID], trace_id=trace_id_of(self._http))
            logger.exception("a stream failed", extra=known)
            await self._write(sse.error_event(internal_error()))
        await self._response.write_eof()
        return self._response

    async def _write_events(
        self, stream: OutputStream, chunks: Stream, include_usage: bool
    ) -> None:
        await self._write(chunks.opening())
        generation = self._run.generation
        async for outputs in stream:
            deltas = await self._run.deltas(stream, outputs)
            usage = generation.usage if include_usage else None
            await self._write(b"".join(chunks.chunks(delta, usage) for delta in deltas))
        last_usage = generation.usage if include_usage else None
        await self._write(chunks.closing(last_usage, self._run.timings) + sse.DONE)

    async def _write(self, data: bytes) -> None:
        """Waits for a client that reads slowly, but not for one that has stopped."""
        if not data:
            return
        transport = self._http.transport
        if transport is None or transport.get_write_buffer_size() == 0:
            await self._response.write(data)
            return
        try:
            async with asyncio.timeout(STALLED_WRITE_S):
                await self._response.write(data)
        except TimeoutError:
            self._hang_up()

    def _hang_up(self) -> None:
        """The connection is lost, which cancels this handler as if the client had left."""
        self._services.metrics.slow_readers.inc()
        if self._http.transport is not None:
            self._http.transport.abort()
