"""Bodies → ValidRequest: text becomes ids, every number is resolved, contradictions are refused.

This is the only maker of a ValidRequest; nothing downstream checks user input again. Knows what
the fields mean; knows neither HTTP nor how the request is run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import msgspec

from forge_api.dialect import Dialect
from forge_api.grammars.calls import AskedCalls, chosen_calls, forced_calls, forces_calls
from forge_api.grammars.fields import AskedGrammar, asked_grammar, check_tools
from forge_api.grammars.grammars import Grammars
from forge_api.laps import Laps
from forge_api.messages import template_messages
from forge_api.openai_types import ChatCompletionRequest, CompletionRequest, TokenizeRequest
from forge_api.parameters import Parsed
from forge_api.rules import (
    Prompt,
    adds_generation_prompt,
    chat_asked,
    chat_output,
    check_chat,
    check_copies,
    check_model,
    check_shared,
    completion_asked,
    completion_output,
    constrained_by,
    prompt_list,
    reasoning_start,
    returns_timings,
    streaming_options,
    template_tools,
    template_variables,
    truncated,
    unsupported,
)
from forge_api.sampling_fields import SamplingResolver
from forge_api.served_model import ServedModel
from forge_api.valid_request import ValidPrompt, ValidRequest
from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import SchedulerReady

LONG_TEXT_CHARS = 16_384  # beyond this, tokenizing would hold up the other streams
MAX_TEXT_CHARS = 2**23  # tokenizing takes about a hundred times as many bytes


class ReplyGrammar(NamedTuple):
    program: bytes | None
    ignored: list[str]  # fields that it does not keep to


class Validator:
    """`scheduler` carries the limits of the running engine, so it comes with each call."""

    def __init__(self, model: ServedModel, dialect: Dialect, grammars: Grammars) -> None:
        self._model = model
        self._dialect = dialect
        self._grammars = grammars
        # One thread, also for the texts of clients that left: several could fill the memory.
        self._long_texts = ThreadPoolExecutor(1, "tokenize")

    async def chat(
        self, parsed: Parsed[ChatCompletionRequest], scheduler: SchedulerReady
    ) -> ValidRequest:
        body = parsed.body
        check_model(body.model, self._model.name)
        is_forced = forces_calls(body)
        asked = asked_grammar(body, has_calls=bool(template_tools(body)))
        check_tools(asked, is_forced=is_forced)
        check_chat(body)
        forced = forced_calls(body, self._dialect.tool_format)
        laps = Laps()
        text = await laps.time("template", self.render(body))
        resolver = self._resolver(scheduler, "messages")
        resolver.check_text(text, body)
        encoding = self.encode(text, "messages", add_special_tokens=False)
        token_ids = truncated(await laps.time("tokenize", encoding), body)
        resolver.check_prompt(token_ids)
        # A call that is forced comes without thoughts before it, also if the prompt opens some.
        unthinking = msgspec.structs.replace(self._dialect, has_reasoning=False)
        dialect = unthinking if is_forced else None if asked else self._dialect
        calls = forced or self._chosen_calls(body, dialect, text)
        constraint = asked or (None if calls is None else calls.asked)
        grammar = await self._grammar(asked, calls, laps)
        sampling = resolver.resolve(body, token_ids, chat_asked(body), grammar.program)
        return ValidRequest(
            prompts=(ValidPrompt(token_ids, sampling, None),),
            num_choices=sampling.num_choices,
            priority=body.priority or 0,
            output=constrained_by(constraint, chat_output(body, dialect, text)),
            streaming=streaming_options(body),
            is_speculative=body.speculative is not False,
            returns_timings=returns_timings(body),
            laps=laps.taken,
            ignored=parsed.ignored
            + self._unread_variables(body)
            + _unread_words(constraint)
            + grammar.ignored,
        )

    async def completion(
        self, parsed: Parsed[CompletionRequest], scheduler: SchedulerReady
    ) -> ValidRequest:
        body = parsed.body
        check_model(body.model, self._model.name)
        check_shared(body)
        resolver = self._resolver(scheduler, "prompt")
        asked = asked_grammar(body)
        items = prompt_list(body.prompt)
        laps = Laps()
        grammar = (await self._grammar(asked, None, laps)).program
        check_copies(grammar, len(items))
        prompts = await laps.time("tokenize", self._prompts(items, body, resolver, grammar))
        return ValidRequest(
            prompts=tuple(prompts),
            num_choices=body.n or 1,
            priority=body.priority or 0,
            output=constrained_by(asked, completion_output(body)),
            streaming=streaming_options(body),
            is_speculative=body.speculative is not False,
            returns_timings=returns_timings(body),
            laps=laps.taken,
            ignored=parsed.ignored + _unread_words(asked),
        )

    def _chosen_calls(
        self, body: ChatCompletionRequest, dialect: Dialect | None, prompt: str
    ) -> AskedCalls | None:
        """None where all of the reply is content."""
        if dialect is None:
            return None
        return chosen_calls(body, dialect.tool_format, reasoning_start(body, dialect, prompt))

    async def _grammar(
        self, asked: AskedGrammar | None, calls: AskedCalls | None, laps: Laps
    ) -> ReplyGrammar:
        if asked is not None:
            return ReplyGrammar(await laps.time("grammar", self._grammars.compile(asked)), [])
        if calls is None:
            return ReplyGrammar(None, [])
        compiled = await laps.time("grammar", self._grammars.compile_calls(calls))
        return ReplyGrammar(compiled.program, calls.names_of(compiled.loosened))

    async def render(self, body: ChatCompletionRequest | TokenizeRequest) -> str:
        """The prompt text of a conversation."""
        return await asyncio.to_thread(
            self._model.template.render,
            template_messages(body.messages or []),
            tools=self._tools(body),
            add_generation_prompt=adds_generation_prompt(body),
            continue_final_message=bool(body.continue_final_message),
            kwargs=template_variables(body),
        )

    def _tools(self, body: ChatCompletionRequest | TokenizeRequest) -> list[dict[str, Any]] | None:
        tools = template_tools(body)
        if tools and "tools" not in self._model.template.variable_names:
            raise unsupported("tools", "this model's chat template does not know tools")
        return tools

    def _unread_variables(self, body: ChatCompletionRequest) -> list[str]:
        """What the client sets for a template that never looks at it."""
        unread = template_variables(body).keys() - self._model.template.variable_names
        return [
            name if name == "reasoning_effort" else f"chat_template_kwargs.{name}"
            for name in sorted(unread)
        ]

    async def encode(self, text: str, param: str, *, add_special_tokens: bool) -> list[int]:
        """Raises RequestError, naming `param`, for a text that is too long for any model."""
        encode = self._model.tokenizer.encode
        if len(text) < LONG_TEXT_CHARS:
            return encode(text, add_special_tokens)
        if len(text) > MAX_TEXT_CHARS:
            raise RequestError(f"A text may have {MAX_TEXT_CHARS} characters at most", param=param)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._long_texts, encode, text, add_special_tokens)

    async def _prompts(
        self,
        items: Sequence[Prompt],
        body: CompletionRequest,
        resolver: SamplingResolver,
        grammar: bytes | None,
    ) -> list[ValidPrompt]:
        return [await self._prompt(item, body, resolver, grammar) for item in items]

    async def _prompt(
        self,
        prompt: Prompt,
        body: CompletionRequest,
        resolver: SamplingResolver,
        grammar: bytes | None,
    ) -> ValidPrompt:
        if isinstance(prompt, str):
            resolver.check_text(prompt, body)
            text: str | None = prompt
            adds_special = body.add_special_tokens is not False
            token_ids = await self.encode(prompt, "prompt", add_special_tokens=adds_special)
        else:
            text, token_ids = None, prompt
        token_ids = truncated(token_ids, body)
        resolver.check_prompt(token_ids)
        sampling = resolver.resolve(body, token_ids, completion_asked(body), grammar)
        return ValidPrompt(
            token_ids, sampling, text if body.truncate_prompt_tokens is None else None
        )

    def _resolver(self, scheduler: SchedulerReady, prompt_param: str) -> SamplingResolver:
        return SamplingResolver(
            self._model.defaults, self._model.tokenizer, scheduler, prompt_param
        )


def _unread_words(asked: AskedGrammar | None) -> list[str]:
    return [] if asked is None else asked.unread
