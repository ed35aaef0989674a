"""The base of every message, and the parts more than one link carries.

Receipt is decoding is validation: bounds stand in the types. Knows no socket and no process.
All processes of one deployment ship together, so unknown fields are refused and the version is
exchanged in the ready messages.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from forge_common.errors import RequestErrorKind
from forge_common.sampling import TokenId

PROTOCOL_VERSION = 5

MAX_TOKENS_PER_MESSAGE = 2**21

TokenIds = Annotated[list[TokenId], Meta(max_length=MAX_TOKENS_PER_MESSAGE)]
Count = Annotated[int, Meta(ge=0, lt=2**53)]
BlockId = Annotated[int, Meta(ge=0, lt=2**31)]
RequestId = Annotated[str, Meta(min_length=1, max_length=128)]


class Message(Struct, frozen=True, tag=True, array_like=True, forbid_unknown_fields=True):
    """One thing said over a link; a command is an imperative, a fact a noun."""


class Part(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A piece of a message, never sent by itself."""


class Failure(Part, frozen=True):
    """Why a sequence ended before its time, and whose fault that is.

    `param` is the field of what was submitted that brought it about, where one did.
    """

    message: str
    kind: RequestErrorKind = RequestErrorKind.INTERNAL
    param: str | None = None
    code: str | None = None


class TokenLogprob(Part, frozen=True):
    token_id: TokenId
    logprob: float


class PositionLogprobs(Part, frozen=True):
    """What the model thought at one position: the token that stands there, and the likeliest ones.

    Natural logarithms of the softmax of the raw logits, before penalties and temperature.
    """

    chosen: TokenLogprob
    top: list[TokenLogprob]
