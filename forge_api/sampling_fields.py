"""The sampling fields of a body → SamplingParams: defaults of the model applied, a seed drawn.

A client's word goes before `generation_config.json`, and that before OpenAI's defaults. Knows the
limits of the running engine; knows nothing of messages or text prompts.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from forge_api.openai_types import SharedFields
from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import SchedulerReady
from forge_common.sampling import SamplingParams
from forge_common.tokenizer import Tokenizer

MAX_TOKEN_CHARS = 256  # the longest tokens in use are runs of 128 spaces
SEED_MASK = 2**63 - 1
_POSITION = re.compile(r"at `\$\[(?P<index>\d+)\]")


class Asked(NamedTuple):
    """What differs between chat and text completions."""

    max_tokens: int | None
    num_logprobs: int | None
    num_prompt_logprobs: int | None
    max_tokens_param: str = "max_tokens"
    default_max_tokens: int | None = None  # or as many as there is room for, if that is less


class SamplingResolver:
    """`prompt_param` is the field an overflow of the context is blamed on, unless no prompt at all
    would leave room for the completion."""

    def __init__(
        self,
        defaults: GenerationDefaults,
        tokenizer: Tokenizer,
        scheduler: SchedulerReady,
        prompt_param: str,
    ) -> None:
        self._defaults = defaults
        self._tokenizer = tokenizer
        self._scheduler = scheduler
        self._prompt_param = prompt_param

    def resolve(
        self, body: SharedFields, prompt: list[int], asked: Asked, grammar: bytes | None = None
    ) -> SamplingParams:
        """`grammar` is within its bounds already, and large: it is shared, not copied."""
        self._check_token_ids(body)
        max_tokens = self._max_tokens(len(prompt), asked)
        min_tokens = body.min_tokens or 0
        if min_tokens > max_tokens:
            raise RequestError(
                f"min_tokens ({min_tokens}) is above max_tokens ({max_tokens})", param="min_tokens"
            )
        defaults = self._defaults
        params = SamplingParams(
            max_tokens=max_tokens,
            seed=secrets.randbits(63) if body.seed is None else body.seed & SEED_MASK,
            num_choices=body.n or 1,
            min_tokens=min_tokens,
            repetition_penalty=first_stated(
                body.repetition_penalty, defaults.repetition_penalty, 1.0
            ),
            presence_penalty=body.presence_penalty or 0.0,
            frequency_penalty=body.frequency_penalty or 0.0,
            logit_bias=body.logit_bias or {},
            temperature=first_stated(body.temperature, defaults.temperature, 1.0),
            top_k=_top_k(body.top_k, defaults.top_k),
            top_p=first_stated(body.top_p, defaults.top_p, 1.0),
            min_p=first_stated(body.min_p, defaults.min_p, 0.0),
            stop_token_ids=tuple(body.stop_token_ids or ()),
            eos_token_ids=() if body.ignore_eos else defaults.eos_token_ids,
            bad_words=self._bad_words(body.bad_words or []),
            allowed_token_ids=tuple(body.allowed_token_ids) if body.allowed_token_ids else None,
            num_logprobs=asked.num_logprobs,
            num_prompt_logprobs=asked.num_prompt_logprobs,
        )
        require_a_choice(params)
        return replace(checked(params), grammar=grammar)

    def check_text(self, text: str, body: SharedFields) -> None:
        """Refuses, before the work of tokenizing it, a text that cannot fit however it is cut."""
        max_model_len = self._scheduler.max_model_len
        if body.truncate_prompt_tokens is None and len(text) > max_model_len * MAX_TOKEN_CHARS:
            raise RequestError(
                f"This model's maximum context length is {max_model_len} tokens, but the "
                f"{self._prompt_param} has {len(text)} characters",
                param=self._prompt_param,
                code="context_length_exceeded",
            )

    def check_prompt(self, prompt: list[int]) -> None:
        if not prompt:
            raise RequestError("The prompt is empty", param=self._prompt_param)
        if max(prompt) >= self._scheduler.vocab_size:
            raise RequestError(
                f"Token id {max(prompt)} is beyond the vocabulary of "
                f"{self._scheduler.vocab_size} tokens",
                param=self._prompt_param,
            )

    def _max_tokens(self, num_prompt_tokens: int, asked: Asked) -> int:
        max_model_len = self._scheduler.max_model_len
        room = max_model_len - num_prompt_tokens
        stated = asked.max_tokens
        if room < 1 or (stated or 0) > room:
            completion = "" if stated is None else f" and {stated} for the completion"
            is_hopeless = stated is not None and stated >= max_model_len
            raise RequestError(
                f"This model's maximum context length is {max_model_len} tokens, but the request "
                f"has {num_prompt_tokens} in the {self._prompt_param}{completion}",
                param=asked.max_tokens_param if is_hopeless else self._prompt_param,
                code="context_length_exceeded",
            )
        # A prompt that is only to be scored still needs one step.
        return min(asked.default_max_tokens or room, room) if stated is None else max(stated, 1)

    def _check_token_ids(self, body: SharedFields) -> None:
        self._check_in_vocabulary("logit_bias", body.logit_bias or {})
        self._check_in_vocabulary("allowed_token_ids", body.allowed_token_ids or ())
        self._check_in_vocabulary("stop_token_ids", body.stop_token_ids or ())

    def _check_in_vocabulary(self, param: str, token_ids: Collection[int]) -> None:
        if token_ids and max(token_ids) >= self._scheduler.vocab_size:
            raise RequestError(
                f"{param} names token {max(token_ids)}, beyond the vocabulary of "
                f"{self._scheduler.vocab_size} tokens",
                param=param,
            )

    def _bad_words(self, words: list[str]) -> tuple[tuple[int, ...], ...]:
        """A word may stand alone or after a space; both spellings are kept from appearing."""
        spellings = [spelling for word in words for spelling in (word, f" {word.lstrip()}")]
        encoded = {tuple(self._tokenizer.encode(spelling)) for spelling in spellings}
        return tuple(sorted(ids for ids in encoded if ids))


def checked(params: SamplingParams) -> SamplingParams:
    """Constructing checks no bounds, decoding does: what the scheduler would refuse ends here."""
    try:
        return msgspec.msgpack.decode(msgspec.msgpack.encode(params), type=SamplingParams)
    except msgspec.ValidationError as error:
        place = _POSITION.search(str(error))
        name = SamplingParams.__struct_fields__[int(place["index"])] if place else None
        raise RequestError(f"{name} is out of bounds: {error}", param=name) from error


def require_a_choice(params: SamplingParams) -> None:
    """Refuses what leaves no token for the first step; a longer bad word may yet do so later."""
    ruled_out = {word[0] for word in params.bad_words if len(word) == 1}
    if params.min_tokens:
        ruled_out.update(params.eos_token_ids, params.stop_token_ids)
    if params.allowed_token_ids is not None and ruled_out.issuperset(params.allowed_token_ids):
        raise RequestError(
            "bad_words and min_tokens rule out every one of the allowed_token_ids",
            param="allowed_token_ids",
        )


def first_stated(asked: float | None, of_model: float | None, default: float) -> float:
    if asked is not None:
        return asked
    return default if of_model is None else of_model


def _top_k(asked: int | None, of_model: int | None) -> int | None:
    """−1 and 0 are the customary ways to say "no limit"; past this line that is `None`."""
    if asked is None:
        return of_model
    return asked if asked > 0 else None
