"""Deltas of choices → a chat completion: whole, or as the chunks of a stream.

Knows the shape of OpenAI's chat replies; knows neither HTTP nor where the deltas come from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType

from forge_api.completion import ChoiceDelta, Usage
from forge_api.logprobs import chat_logprobs, prompt_logprobs
from forge_api.reasoning import ReasoningSplitter, Thoughts
from forge_api.reply_types import (
    ChatChoice,
    ChatCompletion,
    ChatLogprobs,
    ChunkChoice,
    ForgeNotes,
    MessageDelta,
    PromptLogprobs,
    ReplyMessage,
    ToolCallDelta,
    notes_of,
)
from forge_api.sse import ChunkFrames, ReplyHeader, extra_fields
from forge_api.timings import Timings
from forge_api.tool_calls import ToolCallCollector, ToolCallSplitter
from forge_api.valid_request import OutputOptions, ValidRequest
from forge_common.protocol.message import PositionLogprobs
from forge_common.tokenizer import Tokenizer

OBJECT = "chat.completion"
CHUNK_OBJECT = "chat.completion.chunk"


class Split(NamedTuple):
    """A delta once thoughts and tool calls are taken out of the text."""

    reasoning: str
    content: str
    tool_calls: list[ToolCallDelta]
    finish_reason: str | None


class DeltaSplitter:
    """One choice: its text → reasoning, content and tool calls, which no thought holds."""

    def __init__(self, options: OutputOptions) -> None:
        self._reasoning = (
            None if options.reasoning is None else ReasoningSplitter(options.reasoning)
        )
        self._tools = None if options.tools is None else ToolCallSplitter(options.tools)

    def split(self, delta: ChoiceDelta) -> Split:
        is_last = delta.finish_reason is not None
        thoughts = Thoughts("", delta.text)
        if self._reasoning is not None:
            thoughts = self._reasoning.push(delta.text, is_last=is_last)
        if self._tools is None:
            return Split(thoughts.reasoning, thoughts.content, [], delta.finish_reason)
        pieces = self._tools.push(thoughts.content, is_last=is_last)
        reason = delta.finish_reason
        if reason == "stop" and self._tools.is_ended_by_call:
            reason = "tool_calls"
        return Split(thoughts.reasoning, pieces.content, pieces.tool_calls, reason)


class ChatCollector:
    """One choice of a whole reply."""

    def __init__(self, index: int, request: ValidRequest, tokenizer: Tokenizer) -> None:
        self._index = index
        self._options = request.output
        self._tokenizer = tokenizer
        self._splitter = DeltaSplitter(request.output)
        self.prompt_logprobs: PromptLogprobs | None = None
        self._reasoning: list[str] = []
        self._texts: list[str] = []
        self._token_ids: list[int] = []
        self._logprobs: list[PositionLogprobs] | None = None
        self._calls = ToolCallCollector()
        self._finish_reason: str | None = None
        self._stop_reason: str | int | None = None

    def add(self, delta: ChoiceDelta) -> None:
        split = self._splitter.split(delta)
        if delta.prompt_logprobs is not None:
            self.prompt_logprobs = prompt_logprobs(delta.prompt_logprobs, self._tokenizer)
        self._reasoning.append(split.reasoning)
        self._texts.append(split.content)
        self._calls.add(split.tool_calls)
        self._token_ids += delta.token_ids
        if delta.logprobs is not None:
            self._logprobs = (self._logprobs or []) + delta.logprobs
        self._finish_reason = split.finish_reason
        self._stop_reason = delta.stop_reason

    @property
    def choice(self) -> ChatChoice:
        return ChatChoice(
            self._index,
            self._message,
            self._finish_reason,
            None if self._logprobs is None else chat_logprobs(self._logprobs, self._tokenizer),
            UNSET if self._stop_reason is None else self._stop_reason,
            self._token_ids if self._options.return_token_ids else UNSET,
        )

    @property
    def _message(self) -> ReplyMessage:
        reasoning = "".join(self._reasoning)
        text = "".join(self._texts)
        calls = self._calls.calls
        is_content_missing = bool(calls or reasoning) and not text.strip()
        return ReplyMessage(
            content=None if is_content_missing else text,
            reasoning_content=reasoning or UNSET,
            tool_calls=calls or UNSET,
        )


class ChatReply:
    """A whole chat completion."""

    def __init__(self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer) -> None:
        self._header = header
        self._request = request
        self._choices = [
            ChatCollector(index, request, tokenizer) for index in range(request.num_choices)
        ]

    def add(self, delta: ChoiceDelta) -> None:
        self._choices[delta.index].add(delta)

    def body(self, usage: Usage, timings: Timings | None = None) -> bytes:
        request = self._request
        scores = self._choices[0].prompt_logprobs
        is_scored = request.output.returns_prompt_logprobs and scores is not None
        return msgspec.json.encode(
            ChatCompletion(
                id=self._header.id,
                created=self._header.created,
                model=self._header.model,
                choices=[collector.choice for collector in self._choices],
                usage=usage,
                prompt_token_ids=shown_prompt_ids(request),
                prompt_logprobs=scores if is_scored and scores is not None else UNSET,
                forge=notes_of(request.ignored, timings),
            )
        )


class FirstChunkFields(Struct, frozen=True):
    prompt_token_ids: list[int] | UnsetType = UNSET
    forge: ForgeNotes | UnsetType = UNSET


class ChatStream:
    """The chunks of a streamed chat completion."""

    def __init__(self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer) -> None:
        self._request = request
        self._tokenizer = tokenizer
        self._encoder = msgspec.json.Encoder()
        streaming = request.streaming
        self._shows_usage = streaming is not None and streaming.continuous_usage
        self._frames = ChunkFrames(header, streaming is not None and streaming.include_usage)
        self._splitters = [DeltaSplitter(request.output) for _ in range(request.num_choices)]
        self._heads = [
            b'{"index":%d,"delta":{"content":' % index for index in range(request.num_choices)
        ]

    def opening(self) -> bytes:
        """One chunk a choice with its role; what concerns the whole reply stands in the first."""
        fields = FirstChunkFields(
            shown_prompt_ids(self._request),
            notes_of(self._request.ignored),
        )
        delta = MessageDelta(role="assistant", content="")
        chunks = [
            self._encoder.encode(ChunkChoice(index, delta))
            for index in range(self._request.num_choices)
        ]
        first = self._frames.with_fields(chunks[0], extra_fields(fields))
        return first + b"".join(map(self._frames.choice, chunks[1:]))

    def chunks(self, delta: ChoiceDelta, usage: Usage | None) -> bytes:
        """Nothing where the delta shows nothing (its text is held back)."""
        split = self._splitters[delta.index].split(delta)
        shown = usage if self._shows_usage else None
        return b"".join(
            self._frames.choice(choice, shown) for choice in self._choices(delta, split)
        )

    def closing(self, usage: Usage | None, timings: Timings | None) -> bytes:
        return self._frames.closing(usage, timings)

    def _choices(self, delta: ChoiceDelta, split: Split) -> Iterator[bytes]:
        token_ids = delta.token_ids if self._request.output.return_token_ids else None
        if delta.logprobs is None and token_ids is None:
            if split.reasoning:
                yield self._encoder.encode(
                    ChunkChoice(delta.index, MessageDelta(reasoning_content=split.reasoning))
                )
            if split.content:
                text = self._encoder.encode(split.content)
                yield self._heads[delta.index] + text + b'},"logprobs":null,"finish_reason":null}'
        elif split.reasoning or split.content or delta.token_ids:
            yield self._detailed(delta, split, token_ids)
        for call in split.tool_calls:
            yield self._encoder.encode(ChunkChoice(delta.index, MessageDelta(tool_calls=[call])))
        if split.finish_reason is not None:
            yield self._encoder.encode(self._final(delta, split.finish_reason))

    def _detailed(self, delta: ChoiceDelta, split: Split, token_ids: list[int] | None) -> bytes:
        return self._encoder.encode(
            ChunkChoice(
                delta.index,
                MessageDelta(
                    content=UNSET if split.reasoning and not split.content else split.content,
                    reasoning_content=split.reasoning or UNSET,
                ),
                self._logprobs(delta),
                token_ids=UNSET if token_ids is None else token_ids,
            )
        )

    def _logprobs(self, delta: ChoiceDelta) -> ChatLogprobs | None:
        return None if delta.logprobs is None else chat_logprobs(delta.logprobs, self._tokenizer)

    def _final(self, delta: ChoiceDelta, finish_reason: str) -> ChunkChoice:
        return ChunkChoice(
            delta.index,
            MessageDelta(),
            None,
            finish_reason,
            UNSET if delta.stop_reason is None else delta.stop_reason,
        )


def shown_prompt_ids(request: ValidRequest) -> list[int] | UnsetType:
    return request.prompts[0].token_ids if request.output.return_token_ids else UNSET
