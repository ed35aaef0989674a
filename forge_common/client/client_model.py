"""What a client needs of a model to speak text: its tokenizer, and how its makers sample it.

Read from the same files the server serves. Knows nothing of sockets, weights or chat.
"""

from __future__ import annotations

import codecs
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from msgspec import Struct

from forge_common.checkpoint import GenerationDefaults, model_files
from forge_common.sampling import SamplingParams
from forge_common.tokenizer import Tokenizer
from forge_common.tokenizer.tokenizer import TextStart

DEFAULT_MAX_TOKENS = 256
SEED_BITS = 63


class ClientModel(Struct, frozen=True):
    tokenizer: Tokenizer
    defaults: GenerationDefaults

    @classmethod
    def load(cls, path: Path) -> Self:
        """Raises ModelError where a file is missing or unusable."""
        files = model_files(path)
        return cls(Tokenizer.of(files.tokenizer()), files.generation())


def default_sampling(defaults: GenerationDefaults) -> SamplingParams:
    """As the model's makers would, up to DEFAULT_MAX_TOKENS, with a seed of chance."""
    return SamplingParams(
        max_tokens=DEFAULT_MAX_TOKENS,
        seed=secrets.randbits(SEED_BITS),
        temperature=_or_else(defaults.temperature, 1.0),
        top_k=defaults.top_k,
        top_p=_or_else(defaults.top_p, 1.0),
        min_p=_or_else(defaults.min_p, 0.0),
        repetition_penalty=_or_else(defaults.repetition_penalty, 1.0),
        eos_token_ids=defaults.eos_token_ids,
    )


class TextStream:
    """The text of one choice as its tokens come; characters wait until they are whole."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._start = TextStart(tokenizer, tokenizer.pieces(skip_special_tokens=True))
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_ids: Sequence[int], *, is_last: bool) -> str:
        return self._decoder.decode(self._start.push(token_ids), final=is_last)


def _or_else(stated: float | None, default: float) -> float:
    return default if stated is None else stated
