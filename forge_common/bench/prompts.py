"""The prompts of a data set: prompt number i is a function of the seed and i. Knows no server."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Annotated, Any, Protocol

import msgspec
from msgspec import Meta, Struct

from forge_common.bench.dataset_spec import DatasetSpec, Jsonl, NumTokens, SharedPrefix, Synthetic
from forge_common.bench.word_scale import WordScale, random_words
from forge_common.errors import ConfigError


class Prompt(Struct, frozen=True):
    """A text or messages, and the most tokens to ask for."""

    content: str | list[dict[str, Any]]
    max_output_tokens: int


class Prompts(Protocol):
    def prompt(self, index: int) -> Prompt: ...


class SyntheticPrompts:
    def __init__(self, spec: Synthetic, scale: WordScale, seed: str) -> None:
        self._spec = spec
        self._scale = scale
        self._seed = f"{seed} {spec}"  # else a short prompt were the beginning of a long one

    def prompt(self, index: int) -> Prompt:
        random = Random(f"{self._seed} {index}")
        num_tokens = spread_out(self._spec.num_input_tokens, self._spec.spread, random)
        text = random_words(self._scale.num_words(num_tokens), random)
        spread = self._spec.spread
        return Prompt(text, spread_out(self._spec.num_output_tokens, spread, random))


class SharedPrefixPrompts:
    def __init__(self, spec: SharedPrefix, scale: WordScale, seed: str) -> None:
        self._spec = spec
        self._scale = scale
        self._seed = f"{seed} {spec}"  # else a short prompt were the beginning of a long one
        num_words = scale.num_words(spec.num_prefix_tokens)
        self._prefixes = [
            random_words(num_words, Random(f"{self._seed} prefix {group}"))
            for group in range(spec.groups)
        ]

    def prompt(self, index: int) -> Prompt:
        random = Random(f"{self._seed} {index}")
        num_tokens = spread_out(self._spec.num_input_tokens, self._spec.spread, random)
        own = random_words(self._scale.num_more_words(num_tokens), random)
        num_output_tokens = spread_out(self._spec.num_output_tokens, self._spec.spread, random)
        return Prompt(f"{random.choice(self._prefixes)} {own}", num_output_tokens)


class Line(Struct, frozen=True):
    """A line of a JSONL file: `prompt` or `messages`; other keys may stand beside them."""

    prompt: str | None = None
    messages: Annotated[list[dict[str, Any]], Meta(min_length=1)] | None = None
    max_tokens: NumTokens | None = None


class JsonlPrompts:
    """The lines of a file; the whole of it is kept in memory."""

    def __init__(self, spec: Jsonl) -> None:
        decoder = msgspec.json.Decoder(Line)
        numbered = enumerate(_lines(spec.path), 1)
        self.all = [
            _line_prompt(line, decoder, spec, f"{spec.path}, line {number}")
            for number, line in numbered
            if line.strip()
        ]
        if not self.all:
            raise ConfigError(f"{spec.path} has no prompts")

    def prompt(self, index: int) -> Prompt:
        return self.all[index % len(self.all)]


def prompts_of(spec: DatasetSpec, scale: WordScale, seed: str) -> Prompts:
    """Raises ConfigError where a file cannot be read."""
    match spec:
        case Synthetic():
            return SyntheticPrompts(spec, scale, seed)
        case SharedPrefix():
            return SharedPrefixPrompts(spec, scale, seed)
        case Jsonl():
            return JsonlPrompts(spec)


def spread_out(mean: int, spread: float, random: Random) -> int:
    """A whole number within `spread` (a share) of `mean`, each as likely; at least 1."""
    reach = round(mean * spread)
    return max(1, random.randint(mean - reach, mean + reach))


def _lines(path: str) -> list[bytes]:
    try:
        return Path(path).read_bytes().splitlines()
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def _line_prompt(
    line: bytes, decoder: msgspec.json.Decoder[Line], spec: Jsonl, place: str
) -> Prompt:
    try:
        read = decoder.decode(line)
    except msgspec.DecodeError as error:
        raise ConfigError(f"{place}: {error}") from error
    content = read.messages or read.prompt
    if not content:
        raise ConfigError(f"{place}: there is no `prompt` and no `messages`")
    return Prompt(content, read.max_tokens or spec.num_output_tokens)
