"""Runs one valid request and writes its reply, whole or as a stream.

The same for chat and text: what differs is the reply's shape, which comes in. A client that goes
away cancels the handler, and leaving `engine.submit` aborts what still runs.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import NamedTuple, Protocol

import msgspec
from aiohttp import web

from forge_api import sse
from forge_api.completion import ChoiceDelta, Generation, Usage
from forge_api.errors import api_error_from, internal_error
from forge_api.handlers.bodies import raw_json_reply
from forge_api.metrics import RequestSizes
from forge_api.middleware.arrival import ARRIVED_AT
from forge_api.middleware.auth import KEY
from forge_api.middleware.deadline import DEADLINE
from forge_api.middleware.limits import METER
from forge_api.middleware.request_id import REQUEST_ID
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_api.request_timer import RequestTimer
from forge_api.services import SERVICES
from forge_api.sse import ReplyHeader
from forge_api.timings import Moments, Timings, timings_of
from forge_api.tracing.spans import Generated
from forge_api.tracing.trace import TRACE, trace_id_of
from forge_api.valid_request import ValidRequest
from forge_common.errors import RequestError
from forge_common.log import fields_of
from forge_common.protocol.api_scheduler import SequenceOutput, SequenceTimes
from forge_common.tokenizer import Tokenizer

STALLED_WRITE_S = 60.0

logger = logging.getLogger(__name__)


class Whole(Protocol):
    def add(self, delta: ChoiceDelta) -> None: ...
    def body(self, usage: Usage, timings: Timings | None = None, /) -> bytes: ...


class Stream(Protocol):
    def opening(self) -> bytes: ...
    def chunks(self, delta: ChoiceDelta, usage: Usage | None) -> bytes: ...
    def closing(self, usage: Usage | None, timings: Timings | None, /) -> bytes: ...


class MakeWhole(Protocol):
    def __call__(
        self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer, /
    ) -> Whole: ...


class MakeStream(Protocol):
    def __call__(
        self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer, /
    ) -> Stream: ...


class ReplyKind(NamedTuple):
    """How the replies of a route look."""

    id_prefix: str
    object: str
    chunk_object: str
    whole: MakeWhole
    stream: MakeStream


class Run:
    """One request on its way: outputs in, deltas out, with the clock running."""

    def __init__(self, http: web.Request, request: ValidRequest, request_id: str) -> None:
        services = http.app[SERVICES]
        self._model_name = services.model.name
        self._request_id = request_id
        self._trace = http.get(TRACE)
        is_traced = self._trace is not None and self._trace.span.is_recording
        self._is_timed = request.returns_timings or is_traced
        self.generation = Generation(
            request, request_id, services.model.tokenizer, is_timed=self._is_timed
        )
        self._request = request
        self._engine = services.engine
        self._metrics = services.metrics
        self._timer = RequestTimer(services.metrics, http[ARRIVED_AT])
        self._engine_times: dict[ChoiceKey, SequenceTimes] = {}
        self.outcome = "abort"  # of the choices that do not end by themselves

    @property
    def num_prompt_tokens(self) -> int:
        return self._request.num_prompt_tokens

    async def deltas(
        self, stream: OutputStream, outputs: Sequence[SequenceOutput]
    ) -> list[ChoiceDelta]:
        """Ends in the scheduler the choices that the text ended here."""
        if self._is_timed:
            self._note_times(outputs)
        deltas = self.generation.push(outputs)
        self._timer.take(deltas, outputs[0].queue_s)
        for delta in deltas:
            if delta.is_ended_by_text:
                await self._engine.abort_choice(stream, delta.key)
        return deltas

    @property
    def moments(self) -> Moments:
        keys = self.generation.choice_keys
        engine = {keys.index(key): times for key, times in self._engine_times.items()}
        return self._timer.moments(self._request.laps, engine)

    @property
    def timings(self) -> Timings | None:
        """For the client that asked for them."""
        if not self._request.returns_timings:
            return None
        num_cached_tokens = self.generation.usage.prompt_tokens_details.cached_tokens
        return timings_of(self.moments, num_cached_tokens)

    @property
    def generated(self) -> Generated:
        """So far, for a trace."""
        sampling, usage = self._request.prompts[0].sampling, self.generation.usage
        return Generated(
            model=self._model_name,
            reply_id=self._request_id,
            num_choices=self._request.num_choices,
            max_tokens=sampling.max_tokens,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            is_streamed=self._request.streaming is not None,
            num_prompt_tokens=usage.prompt_tokens,
            num_cached_tokens=usage.prompt_tokens_details.cached_tokens,
            num_output_tokens=usage.completion_tokens,
            finish_reasons=[
                choice.finish_reason or self.outcome for choice in self.generation.choices
            ],
            moments=self.moments,
        )

    def finish(self) -> None:
        """However it ended."""
        self._timer.finish()
        self._metrics.measured(sizes_of(self._request, self.generation))
        if self._trace is not None:
            self._trace.generated = self.generated
        for choice in self.generation.choices:
            if not choice.is_finished:
                self._metrics.finished(self.outcome)

    def _note_times(self, outputs: Sequence[SequenceOutput]) -> None:
        for output in outputs:
            if output.times is not None:
                key = ChoiceKey(output.request_id, output.choice_index)
                self._engine_times[key] = output.times


def sizes_of(request: ValidRequest, generation: Generation) -> RequestSizes:
    usage = generation.usage
    return RequestSizes(
        num_prompt_tokens=usage.prompt_tokens,
        num_prefill_tokens=usage.prompt_tokens - usage.prompt_tokens_details.cached_tokens,
        num_output_tokens=usage.completion_tokens,
        max_output_tokens=max(choice.num_tokens for choice in generation.choices),
        num_choices=request.num_choices,
        max_tokens=max(prompt.sampling.max_tokens for prompt in request.prompts),
    )


async def reply(http: web.Request, request: ValidRequest, kind: ReplyKind) -> web.StreamResponse:
    services = http.app[SERVICES]
    request_id = kind.id_prefix + secrets.token_hex(16)
    logger.debug("%s is answered as %s", http[REQUEST_ID], request_id)
    name = kind.object if request.streaming is None else kind.chunk_object
    header = ReplyHeader(request_id, name, int(time.time()), services.model.name)
    run = Run(http, as_granted(http, request), request_id)
    async with submitted(http, run) as stream:
        if request.streaming is None:
            whole = kind.whole(header, request, services.model.tokenizer)
            return await reply_whole(run, stream, whole)
        chunks = kind.stream(header, request, services.model.tokenizer)
        return await StreamWriter(http, run).write_all(
            stream, chunks, request.streaming.include_usage
        )


def as_granted(http: web.Request, request: ValidRequest) -> ValidRequest:
    """With what its key and its deadline make of it."""
    key, deadline = http[KEY], http.get(DEADLINE)
    return msgspec.structs.replace(
        request,
        priority=key.priority_of(request.priority),
        tenant=key.name,
        start_within_s=None if deadline is None else deadline.remaining_s,
    )


@asynccontextmanager
async def submitted(http: web.Request, run: Run) -> AsyncIterator[OutputStream]:
    """The run's outputs, ended at its deadline; what it used is put down to its key."""
    engine, deadline = http.app[SERVICES].engine, http.get(DEADLINE)
    with http[METER].tokens_of(run.num_prompt_tokens) as spending:
        async with engine.submit(run.generation.submits) as stream:
            spending.is_accepted = True
            try:
                with nullcontext() if deadline is None else deadline.ends(stream):
                    yield stream
            finally:
                run.finish()
                spending.num_output_tokens = run.generation.num_completion_tokens


async def reply_whole(run: Run, stream: OutputStream, whole: Whole) -> web.Response:
    try:
        async for outputs in stream:
            for delta in await run.deltas(stream, outputs):
                whole.add(delta)
    except RequestError:
        run.outcome = "error"
        raise
    return raw_json_reply(whole.body(run.generation.usage, run.timings))


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
