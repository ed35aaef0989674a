"""POST /v1/chat/completions."""

from __future__ import annotations

from aiohttp import web

from forge_api.chat_reply import CHUNK_OBJECT, OBJECT, ChatReply, ChatStream
from forge_api.handlers.bodies import read_body
from forge_api.handlers.generate import reply
from forge_api.handlers.reply_kind import ReplyKind
from forge_api.services import SERVICES

KIND = ReplyKind("chatcmpl-", OBJECT, CHUNK_OBJECT, ChatReply, ChatStream)


async def chat_completions(request: web.Request) -> web.StreamResponse:
    services = request.app[SERVICES]
    parsed = await read_body(request, services.parsers.chat)
    valid = await services.validator.chat(parsed, services.scheduler())
    return await reply(request, valid, KIND)
