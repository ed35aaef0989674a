"""Runs one valid request and writes its reply, whole or as a stream.

The same for chat and text: what differs is the reply's shape, which comes in. A client that goes
away cancels the handler, and leaving `engine.submit` aborts what still runs.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext

import msgspec
from aiohttp import web

from forge_api.handlers.bodies import raw_json_reply
from forge_api.handlers.reply_kind import ReplyKind, Whole
from forge_api.handlers.run import Run
from forge_api.handlers.stream_writer import StreamWriter
from forge_api.middleware.auth import KEY
from forge_api.middleware.deadline import DEADLINE
from forge_api.middleware.limits import METER
from forge_api.middleware.request_id import REQUEST_ID
from forge_api.output_stream import OutputStream
from forge_api.services import SERVICES
from forge_api.sse import ReplyHeader
from forge_api.valid_request import ValidRequest
from forge_common.errors import RequestError

logger = logging.getLogger(__name__)


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
