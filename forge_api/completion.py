"""Outputs of the scheduler → what each choice of the reply gains: text, tokens, its end.

Detokenises, ends a choice at its stop strings, counts usage. Knows neither the shape of a reply
nor the engine: whoever drives it aborts the choices that met a stop string.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import msgspec
from msgspec import UNSET, Struct, UnsetType

from forge_api.detokenizer import Detokenizer
from forge_api.output_stream import ChoiceKey
from forge_api.reasoning_tokens import ReasoningTokens
from forge_api.stop_strings import StopStrings
from forge_api.valid_request import OutputOptions, ValidPrompt, ValidRequest
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import SequenceOutput
from forge_common.protocol.message import Failure, PositionLogprobs
from forge_common.sampling import FinishReason
from forge_common.tokenizer import Tokenizer


class ChoiceDelta(Struct, frozen=True):
    """What one output adds to one choice; `index` counts over all prompts of the request."""

    index: int
    key: ChoiceKey
    text: str
    token_ids: list[int]
    logprobs: list[PositionLogprobs] | None = None
    prompt_logprobs: list[PositionLogprobs | None] | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None  # the stop string or stop token that ended it
    is_ended_by_text: bool = False  # the scheduler does not know yet


class ChoiceText:
    """One choice: its ids go in as they come, its text comes out."""

    def __init__(
        self,
        index: int,
        key: ChoiceKey,
        prompt: ValidPrompt,
        tokenizer: Tokenizer,
        options: OutputOptions,
    ) -> None:
        self.finish_reason: str | None = None
        self.prompt = prompt
        self._index = index
        self._key = key
        self._options = options
        self._min_tokens = prompt.sampling.min_tokens
        self.num_tokens = 0
        self._is_first = True
        self._detokenizer = Detokenizer(
            tokenizer,
            options.skip_special_tokens,
            kept_special_ids=options.kept_special_ids,
            is_continuation=options.is_continuation,
        )
        self._stops = StopStrings(options.stops, options.include_stop)
        self._reasoning = (
            None if options.reasoning is None else ReasoningTokens(options.reasoning, tokenizer)
        )

    @property
    def is_finished(self) -> bool:
        return self.finish_reason is not None

    @property
    def num_reasoning_tokens(self) -> int:
        return 0 if self._reasoning is None else self._reasoning.num_tokens

    def push(self, output: SequenceOutput) -> ChoiceDelta:
        """Raises RequestError when the sequence failed."""
        if output.finish_reason in (FinishReason.ABORT, FinishReason.ERROR):
            raise failure_of(output, self._options.grammar_param)
        if self._options.is_prompt_only:
            return self._prompt_only(output)
        self.num_tokens += len(output.token_ids)
        if self._reasoning is not None:
            self._reasoning.push(output.token_ids)
        text = self._detokenizer.push(self._shown_ids(output))
        if output.finish_reason is not None:
            text += self._detokenizer.flush()
        return self._delta(output, text)

    def _delta(self, output: SequenceOutput, text: str) -> ChoiceDelta:
        matched = None
        if self.num_tokens > self._min_tokens:
            text, matched = self._stops.push(text)
        if output.finish_reason is not None:
            text += self._stops.flush()
        finish_reason = output.finish_reason if matched is None else FinishReason.STOP
        self.finish_reason = None if finish_reason is None else str(finish_reason)
        return ChoiceDelta(
            self._index,
            self._key,
            text,
            output.token_ids,
            output.logprobs,
            self._prompt_logprobs(output),
            self.finish_reason,
            matched if matched is not None else self._stop_token(output),
            matched is not None and output.finish_reason is None,
        )

    def _prompt_only(self, output: SequenceOutput) -> ChoiceDelta:
        self.finish_reason = str(FinishReason.LENGTH)
        return ChoiceDelta(
            self._index,
            self._key,
            "",
            [],
            prompt_logprobs=self._prompt_logprobs(output),
            finish_reason=self.finish_reason,
            is_ended_by_text=output.finish_reason is None,
        )

    def _shown_ids(self, output: SequenceOutput) -> list[int]:
        """The ids without the stop token, which ends the text the way a stop string does."""
        ids = output.token_ids
        if output.stop_token_id is None or self._options.include_stop or not ids:
            return ids
        return ids[:-1] if ids[-1] == output.stop_token_id else ids

    def _prompt_logprobs(self, output: SequenceOutput) -> list[PositionLogprobs | None] | None:
        """Whole, with the first output. A prompt of one token has none to compute."""
        is_wanted = self.prompt.sampling.num_prompt_logprobs is not None
        is_first, self._is_first = self._is_first, False
        if not is_wanted or not is_first:
            return None
        return output.prompt_logprobs or [None] * len(self.prompt.token_ids)

    def _stop_token(self, output: SequenceOutput) -> int | None:
        token_id = output.stop_token_id
        return token_id if token_id in self.prompt.sampling.stop_token_ids else None


class PromptTokensDetails(Struct, frozen=True):
    cached_tokens: int


class CompletionTokensDetails(Struct, frozen=True):
    reasoning_tokens: int


class Usage(Struct, frozen=True):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptTokensDetails
    completion_tokens_details: CompletionTokensDetails | UnsetType = UNSET


class Generation:
    """All choices of one request while they run."""

    def __init__(
        self,
        request: ValidRequest,
        request_id: str,
        tokenizer: Tokenizer,
        *,
        is_timed: bool = False,
    ) -> None:
        self.submits = request.submits(request_id, is_timed=is_timed)
        self.num_completion_tokens = 0
        self._has_stops = bool(request.output.stops)
        self._num_prompt_tokens = request.num_prompt_tokens
        self._num_cached_tokens: dict[str, int] = {}
        self._tells_reasoning = request.output.reasoning is not None
        self._choices = {
            key: ChoiceText(index, key, prompt, tokenizer, request.output)
            for index, (key, prompt) in enumerate(
                (ChoiceKey(submit.request_id, choice_index), prompt)
                for submit, prompt in zip(self.submits, request.prompts, strict=True)
                for choice_index in range(request.num_choices)
            )
        }

    @property
    def choices(self) -> list[ChoiceText]:
        """In the order of their indices."""
        return list(self._choices.values())

    @property
    def choice_keys(self) -> list[ChoiceKey]:
        """In the order of their indices."""
        return list(self._choices)

    @property
    def usage(self) -> Usage:
        return Usage(
            self._num_prompt_tokens,
            self.num_completion_tokens,
            self._num_prompt_tokens + self.num_completion_tokens,
            PromptTokensDetails(sum(self._num_cached_tokens.values())),
            self._completion_details,
        )

    @property
    def _completion_details(self) -> CompletionTokensDetails | UnsetType:
        if not self._tells_reasoning:
            return UNSET
        counts = (choice.num_reasoning_tokens for choice in self._choices.values())
        return CompletionTokensDetails(sum(counts))

    def push(self, outputs: Sequence[SequenceOutput]) -> list[ChoiceDelta]:
        deltas = []
        for output in chain.from_iterable(map(self._pieces, outputs)):
            choice = self._choices[ChoiceKey(output.request_id, output.choice_index)]
            if choice.is_finished:  # it met a stop string while these tokens were under way
                continue
            delta = choice.push(output)
            self.num_completion_tokens += len(delta.token_ids)
            # Later choices find in the cache what the first one computed; the client found less.
            self._num_cached_tokens.setdefault(output.request_id, output.num_cached_tokens)
            deltas.append(delta)
        return deltas

    def _pieces(self, output: SequenceOutput) -> list[SequenceOutput]:
        """With stop strings every token is looked at alone: what follows a match is not counted."""
        is_whole = not self._has_stops or len(output.token_ids) <= 1
        return [output] if is_whole else one_by_one(output)


def one_by_one(output: SequenceOutput) -> list[SequenceOutput]:
    """An output of several tokens, as it would have come in as many steps."""
    pieces = [
        SequenceOutput(
            output.request_id,
            output.choice_index,
            [token_id],
            num_cached_tokens=output.num_cached_tokens,
            logprobs=output.logprobs and [output.logprobs[index]],
        )
        for index, token_id in enumerate(output.token_ids)
    ]
    pieces[0] = msgspec.structs.replace(
        pieces[0], prompt_logprobs=output.prompt_logprobs, queue_s=output.queue_s
    )
    pieces[-1] = msgspec.structs.replace(
        pieces[-1],
        finish_reason=output.finish_reason,
        stop_token_id=output.stop_token_id,
        error=output.error,
    )
    return pieces


def failure_of(output: SequenceOutput, grammar_param: str | None = None) -> RequestError:
    """`grammar_param` is the field that asked for the grammar."""
    if output.finish_reason is FinishReason.ABORT:
        failure = output.error or Failure("The request was ended by the engine")
        return RequestError(failure.message, kind=RequestErrorKind.UNAVAILABLE)
    failure = output.error or Failure("The engine failed while serving this request")
    param = grammar_param if failure.param == "grammar" else failure.param
    return RequestError(failure.message, param=param, code=failure.code, kind=failure.kind)
