"""How a request wants its tokens chosen, in Forge's own terms, with the bounds of each number.

Everything here is already resolved: defaults of the model applied, strings turned into token ids,
a seed drawn. Knows nothing of OpenAI's field names, of text, or of how sampling is computed.
The bounds are checked wherever the Struct is decoded, so a ZMQ client meets the same ones.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

MAX_CHOICES = 16
MAX_LOGPROBS = 20
MAX_GRAMMAR_BYTES = 2**22

TokenId = Annotated[int, Meta(ge=0, lt=2**31)]
Seed = Annotated[int, Meta(ge=0, le=2**63 - 1)]
NumLogprobs = Annotated[int, Meta(ge=0, le=MAX_LOGPROBS)]
# Dividing a logit by less could take it beyond what a float32 holds.
RepetitionPenalty = Annotated[float, Meta(ge=0.01, le=10.0)]
TokenIdList = Annotated[tuple[TokenId, ...], Meta(max_length=1024)]
BadWord = Annotated[tuple[TokenId, ...], Meta(min_length=1, max_length=64)]


class FinishReason(StrEnum):
    STOP = "stop"  # end of sequence, a stop token, or a stop string
    LENGTH = "length"  # max_tokens or the context is used up
    ABORT = "abort"  # the client left, or Forge is shutting down
    ERROR = "error"  # the sequence failed; the output says why


class SamplingParams(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """The order of application is the order of the fields from `repetition_penalty` to `min_p`.

    `temperature` 0 is greedy; `None` always means "not asked for". Penalties follow the field's
    customs: repetition (Keskar et al. 2019, CTRL) counts prompt and output tokens, presence and
    frequency (OpenAI) count output tokens only.
    """

    max_tokens: Annotated[int, Meta(ge=1, lt=2**31)]
    seed: Seed
    num_choices: Annotated[int, Meta(ge=1, le=MAX_CHOICES)] = 1
    min_tokens: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    repetition_penalty: RepetitionPenalty = 1.0
    presence_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] = 0.0
    frequency_penalty: Annotated[float, Meta(ge=-2.0, le=2.0)] = 0.0
    logit_bias: Annotated[
        dict[TokenId, Annotated[float, Meta(ge=-100.0, le=100.0)]], Meta(max_length=1024)
    ] = msgspec.field(default_factory=dict)
    temperature: Annotated[float, Meta(ge=0.0, le=100.0)] = 1.0
    top_k: Annotated[int, Meta(ge=1, lt=2**31)] | None = None
    top_p: Annotated[float, Meta(gt=0.0, le=1.0)] = 1.0
    min_p: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.0
    stop_token_ids: TokenIdList = ()
    eos_token_ids: TokenIdList = ()  # empty when the client asked to ignore the end of sequence
    bad_words: Annotated[tuple[BadWord, ...], Meta(max_length=128)] = ()
    allowed_token_ids: (
        Annotated[tuple[TokenId, ...], Meta(min_length=1, max_length=2**18)] | None
    ) = None
    num_logprobs: NumLogprobs | None = None
    num_prompt_logprobs: NumLogprobs | None = None
    grammar: Annotated[bytes, Meta(max_length=MAX_GRAMMAR_BYTES)] | None = (
        None  # msgpack of a forge_common.grammar.program.Program; only the worker looks into it
    )
