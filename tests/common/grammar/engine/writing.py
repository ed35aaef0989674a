"""Texts drawn token by token under masks."""

from __future__ import annotations

import random

from forge_common.grammar.engine import State
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.engine.programs import allowed_ids

CLOSERS = (b'"name":', b'"', b"}", b"]", b":", b",")


def generate(vocabulary: Vocabulary, state: State, rng: random.Random, num_free: int) -> bytes:
    """`num_free` random tokens, then the nearest way out."""
    text = b""
    for index in range(num_free + 200):
        allowed = allowed_ids(vocabulary, state)
        assert allowed, text
        ends = vocabulary.end_ids.intersection(allowed)
        is_over = len(ends) == len(allowed) or index >= num_free or rng.random() < 0.2
        if ends and is_over:
            assert state.is_accepting
            return text
        token_id = choose(vocabulary, sorted(set(allowed) - ends), rng, index >= num_free)
        following = state.advance(token_id)
        assert following is not None
        state = following
        text += vocabulary.tokens[token_id]
    raise AssertionError(f"no end to {text!r}")


def choose(vocabulary: Vocabulary, allowed: list[int], rng: random.Random, is_leaving: bool) -> int:
    if rng.random() < (0.9 if is_leaving else 0.2):
        for closer in (*CLOSERS, b"%d" % rng.randrange(10), b"0", b"1"):
            found = [token_id for token_id in allowed if vocabulary.tokens[token_id] == closer]
            if found:
                return rng.choice(found)
    return rng.choice(allowed)
