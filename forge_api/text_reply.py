"""Deltas of choices → a text completion: whole, or as the chunks of a stream.

Knows the shape of OpenAI's older replies, `echo` and their logprobs; knows neither HTTP nor where
the deltas come from.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Struct, UnsetType

from forge_api.completion import ChoiceDelta, Usage
from forge_api.logprobs import TextLogprobsBuilder, joined, prompt_logprobs
from forge_api.reply_types import (
    ForgeNotes,
    PromptLogprobs,
    TextChoice,
    TextCompletion,
    TextLogprobs,
    notes_of,
)
from forge_api.sse import ChunkFrames, ReplyHeader, extra_fields
from forge_api.timings import Timings
from forge_api.valid_request import ValidPrompt, ValidRequest
from forge_common.tokenizer import Tokenizer

OBJECT = "text_completion"


class Echo:
    """What one choice adds to its deltas: the prompt in front, and logprobs in this shape."""

    def __init__(self, prompt: ValidPrompt, request: ValidRequest, tokenizer: Tokenizer) -> None:
        self._prompt = prompt
        self._options = request.output
        self._tokenizer = tokenizer
        self._builder = TextLogprobsBuilder(tokenizer)
        self._is_pending = request.output.echo

    def text(self, delta: ChoiceDelta) -> str:
        return self._prompt_text() + delta.text if self._is_pending else delta.text

    def logprobs(self, delta: ChoiceDelta) -> TextLogprobs | None:
        """Call before `shown`: the first delta carries the prompt's."""
        wants = self._prompt.sampling.num_logprobs is not None
        pieces = []
        if wants and self._is_pending and delta.prompt_logprobs is not None:
            pieces.append(self._builder.prompt(self._prompt.token_ids, delta.prompt_logprobs))
        if wants and delta.logprobs is not None:
            pieces.append(self._builder.output(delta.logprobs))
        return joined(pieces)

    def choice(self, delta: ChoiceDelta) -> TextChoice:
        """The delta as a choice of its own; the first one carries the prompt."""
        choice = TextChoice(
            delta.index,
            self.text(delta),
            self.logprobs(delta),
            delta.finish_reason,
            UNSET if delta.stop_reason is None else delta.stop_reason,
            delta.token_ids if self._options.return_token_ids else UNSET,
            prompt_logprobs=self._prompt_logprobs(delta),
        )
        self._is_pending = False
        return choice

    def _prompt_text(self) -> str:
        if self._prompt.text is not None:
            return self._prompt.text
        return self._tokenizer.decode(
            self._prompt.token_ids, skip_special_tokens=self._options.skip_special_tokens
        )

    def _prompt_logprobs(self, delta: ChoiceDelta) -> PromptLogprobs | UnsetType:
        if delta.prompt_logprobs is None or not self._options.returns_prompt_logprobs:
            return UNSET
        return prompt_logprobs(delta.prompt_logprobs, self._tokenizer)


class TextReply:
    """A whole text completion; `choices` count over all prompts."""

    def __init__(self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer) -> None:
        self._header = header
        self._request = request
        self._echoes = echoes(request, tokenizer)
        self._pieces: list[list[TextChoice]] = [[] for _ in self._echoes]

    def add(self, delta: ChoiceDelta) -> None:
        self._pieces[delta.index].append(self._echoes[delta.index].choice(delta))

    def body(self, usage: Usage, timings: Timings | None = None) -> bytes:
        request = self._request
        return msgspec.json.encode(
            TextCompletion(
                id=self._header.id,
                created=self._header.created,
                model=self._header.model,
                choices=[self._choice(index) for index in range(len(self._pieces))],
                usage=usage,
                forge=notes_of(request.ignored, timings),
            )
        )

    def _choice(self, index: int) -> TextChoice:
        pieces = self._pieces[index]
        prompt = self._request.prompts[index // self._request.num_choices]
        with_ids = self._request.output.return_token_ids
        return TextChoice(
            index,
            "".join(piece.text for piece in pieces),
            joined([piece.logprobs for piece in pieces if piece.logprobs is not None]),
            pieces[-1].finish_reason,
            pieces[-1].stop_reason,
            [id_ for piece in pieces for id_ in piece.token_ids or ()] if with_ids else UNSET,
            prompt.token_ids if with_ids else UNSET,
            pieces[0].prompt_logprobs,
        )


class FirstChunkFields(Struct, frozen=True):
    forge: ForgeNotes | UnsetType = UNSET


class TextStream:
    """The chunks of a streamed text completion."""

    def __init__(self, header: ReplyHeader, request: ValidRequest, tokenizer: Tokenizer) -> None:
        streaming = request.streaming
        self._shows_usage = streaming is not None and streaming.continuous_usage
        self._frames = ChunkFrames(header, streaming is not None and streaming.include_usage)
        self._echoes = echoes(request, tokenizer)
        self._encoder = msgspec.json.Encoder()
        self._first_fields = extra_fields(FirstChunkFields(notes_of(request.ignored)))

    def opening(self) -> bytes:
        return b""

    def chunks(self, delta: ChoiceDelta, usage: Usage | None) -> bytes:
        choice = self._echoes[delta.index].choice(delta)
        is_empty = not choice.text and choice.finish_reason is None
        if is_empty and choice.logprobs is None and choice.token_ids is UNSET:
            return b""
        encoded = self._encoder.encode(choice)
        if self._first_fields:
            fields, self._first_fields = self._first_fields, b""
            return self._frames.with_fields(encoded, fields)
        return self._frames.choice(encoded, usage if self._shows_usage else None)

    def closing(self, usage: Usage | None, timings: Timings | None) -> bytes:
        return self._frames.closing(usage, timings)


def echoes(request: ValidRequest, tokenizer: Tokenizer) -> list[Echo]:
    return [
        Echo(prompt, request, tokenizer)
        for prompt in request.prompts
        for _ in range(request.num_choices)
    ]
