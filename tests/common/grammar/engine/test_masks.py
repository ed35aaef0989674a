"""A mask is what stepping through every token byte by byte gives, everywhere."""

from __future__ import annotations

import random

import pytest

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.engine.programs import PROGRAMS, allowed_ids, is_allowed
from tests.common.grammar.engine.vocabularies import demo_vocabulary, odd_vocabulary


def assert_mask_is_exact(vocabulary: Vocabulary, state: State) -> list[int]:
    allowed = allowed_ids(vocabulary, state)
    stepped = [
        token_id
        for token_id in range(vocabulary.num_tokens)
        if is_allowed(vocabulary, state, token_id)
    ]
    assert allowed == stepped
    return allowed


def walk_checking(vocabulary: Vocabulary, state: State, rng: random.Random, length: int) -> None:
    for _ in range(length):
        allowed = assert_mask_is_exact(vocabulary, state)
        token_id = rng.choice(allowed)
        if token_id in vocabulary.end_ids:
            return
        following = state.advance(token_id)
        assert following is not None
        state = following


@pytest.mark.parametrize("name", PROGRAMS)
def test_mask_is_what_bytes_allow_of_odd_tokens(name: str) -> None:
    rng = random.Random(name)
    vocabulary = odd_vocabulary()
    engine = Engine(vocabulary)
    for _ in range(6):
        walk_checking(vocabulary, engine.start(PROGRAMS[name]), rng, length=10)


@pytest.mark.parametrize("name", ["any value", "unordered object", "tree, spaced", "text"])
def test_mask_is_what_bytes_allow_of_real_tokens(name: str) -> None:
    rng = random.Random(name)
    vocabulary = demo_vocabulary()
    engine = Engine(vocabulary)
    for _ in range(3):
        walk_checking(vocabulary, engine.start(PROGRAMS[name]), rng, length=8)
