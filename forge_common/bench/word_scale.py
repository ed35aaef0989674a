"""Text of about so many tokens of an unknown tokenizer: random words, counted by the server.

A server says how many tokens a prompt had; two prompts of known numbers of words tell the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from msgspec import Struct

# Common and short, so that most tokenizers have a token for each.
WORDS = """
time year people way day man thing woman life child world school state family student
group country problem hand part place case week company system program question work
government number night point home water room mother area money story fact month lot
right study book eye job word business issue side kind head house service friend father
power hour game line end member law car city
"""
PROBE_WORDS = (40, 200)


class WordScale(Struct, frozen=True, forbid_unknown_fields=True):
    """How a server's tokenizer counts our words: `num_fixed_tokens` + words × `tokens_per_word`."""

    tokens_per_word: float = 1.0
    num_fixed_tokens: float = 0.0
    is_measured: bool = False

    def num_words(self, num_tokens: int) -> int:
        """Of a whole prompt, with what a chat template adds."""
        return max(1, round((num_tokens - self.num_fixed_tokens) / self.tokens_per_word))

    def num_more_words(self, num_tokens: int) -> int:
        """Of a part that stands beside another one."""
        return max(1, round(num_tokens / self.tokens_per_word))


class Probe(NamedTuple):
    num_words: int
    num_tokens: int


def word_scale(probes: Sequence[Probe]) -> WordScale:
    """From two probes; a token a word where they make no sense or the server does not count."""
    if len(probes) < 2:
        return WordScale()
    few, many = probes
    tokens_per_word = (many.num_tokens - few.num_tokens) / (many.num_words - few.num_words)
    if tokens_per_word <= 0:
        return WordScale()
    return WordScale(tokens_per_word, few.num_tokens - few.num_words * tokens_per_word, True)


def random_words(num_words: int, random: Random) -> str:
    return " ".join(random.choices(WORDS.split(), k=num_words))
