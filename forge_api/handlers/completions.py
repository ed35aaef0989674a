"""POST /v1/completions."""

from __future__ import annotations

from aiohttp import web

from forge_api.handlers.bodies import read_body
from forge_api.handlers.generate import reply
from forge_api.handlers.reply_kind import ReplyKind
from forge_api.services import SERVICES
from forge_api.text_reply import OBJECT, TextReply, TextStream

KIND = ReplyKind("cmpl-", OBJECT, OBJECT, TextReply, TextStream)


async def completions(request: web.Request) -> web.StreamResponse:
    services = request.app[SERVICES]
    parsed = await read_body(request, services.parsers.completion)
    valid = await services.validator.completion(parsed, services.scheduler())
    return await reply(request, valid, KIND)
