"""POST /tokenize and /detokenize, in vLLM's shapes."""

from __future__ import annotations

from aiohttp import web

from forge_api.handlers.bodies import json_reply, read_body
from forge_api.logprobs import token_text
from forge_api.openai_types import TokenizeRequest
from forge_api.reply_types import Detokenized, Tokenized
from forge_api.rules import check_model
from forge_api.services import SERVICES, Services
from forge_common.errors import RequestError


async def tokenize(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    body = (await read_body(request, services.parsers.tokenize)).body
    check_model(body.model, services.model.name)
    token_ids = await token_ids_of(body, services)
    tokenizer = services.model.tokenizer
    scheduler = services.engine.scheduler
    return json_reply(
        Tokenized(
            len(token_ids),
            None if scheduler is None else scheduler.max_model_len,
            token_ids,
            [token_text(id_, tokenizer) for id_ in token_ids] if body.return_token_strs else None,
        )
    )


async def token_ids_of(body: TokenizeRequest, services: Services) -> list[int]:
    validator = services.validator
    if (body.prompt is None) == (body.messages is None):
        raise RequestError("Give either prompt or messages", param="prompt")
    if body.prompt is not None:
        adds_special = body.add_special_tokens is not False
        return await validator.encode(body.prompt, "prompt", add_special_tokens=adds_special)
    adds_special = bool(body.add_special_tokens)
    text = await validator.render(body)
    return await validator.encode(text, "messages", add_special_tokens=adds_special)


async def detokenize(request: web.Request) -> web.Response:
    services = request.app[SERVICES]
    body = (await read_body(request, services.parsers.detokenize)).body
    check_model(body.model, services.model.name)
    return json_reply(Detokenized(services.model.tokenizer.decode(body.tokens)))
