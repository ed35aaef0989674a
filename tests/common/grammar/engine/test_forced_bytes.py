"""Forced bytes, held against trying every byte; and how little finding them out may cost."""

from __future__ import annotations

import random

import pytest

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.engine import memory as engine_memory
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import JsonString, Literals, Program, Sequence, Text
from tests.common.grammar.engine.programs import PROGRAMS, program
from tests.common.grammar.engine.random_programs import RandomPrograms
from tests.common.grammar.engine.test_random_programs import random_program
from tests.common.grammar.engine.vocabularies import odd_vocabulary

NUM_PROGRAMS = 60
NUM_BYTES = 30
LIMIT = 12


def next_bytes(state: State) -> list[int]:
    return [byte for byte in range(256) if state.advance_bytes(bytes([byte])) is not None]


def tried_out(state: State) -> bytes:
    """A byte is forced where it is the only one, and the text cannot end."""
    forced = b""
    while len(forced) < LIMIT and not state.is_accepting and len(next_bytes(state)) == 1:
        forced += bytes(next_bytes(state))
        state = state.advance_bytes(forced[-1:]) or state
    return forced


def check_along_a_text(start: State, rng: random.Random) -> int:
    """How many forced bytes there were."""
    state, num_forced = start, 0
    for _ in range(NUM_BYTES):
        forced, ways = state.forced(LIMIT).text, next_bytes(state)
        assert forced == tried_out(state)
        assert state.forced(0).is_end == (state.is_accepting and not ways)
        num_forced += len(forced)
        if not ways:
            break
        state = state.advance_bytes(bytes([rng.choice(ways)])) or state
    return num_forced


@pytest.mark.parametrize("seed", range(4))
def test_they_are_those_that_trying_every_byte_finds(seed: int) -> None:
    rng, chance = random.Random(seed), RandomPrograms(seed)
    engine = Engine(odd_vocabulary())
    num_forced = 0
    for number in range(NUM_PROGRAMS):
        try:
            start = engine.start(random_program(rng) if number % 2 else chance.program())
        except GrammarError:
            continue
        num_forced += check_along_a_text(start, rng)
    assert num_forced > NUM_PROGRAMS


@pytest.mark.parametrize("name", PROGRAMS)
def test_and_of_programs_as_they_are_written(name: str) -> None:
    start = Engine(odd_vocabulary()).start(PROGRAMS[name])
    for seed in range(2):
        check_along_a_text(start, random.Random(seed))


def test_they_cross_the_borders_of_rules() -> None:
    rules = (Sequence((1, 2, 3)), Literals((b"ab",)), Text("c{3}"), JsonString(max_length=0))
    state = Engine(odd_vocabulary()).start(Program(rules))
    assert state.forced(99).text == b'abccc""'
    assert not state.forced(0).is_end
    assert state.forced(99).is_end
    whole = state.advance_bytes(b'abccc""')
    assert whole is not None
    assert whole.forced(0).is_end


def test_an_end_that_may_come_is_none_that_must() -> None:
    state = Engine(odd_vocabulary()).start(program(Literals((b"ab", b"abc"))))
    whole = state.advance_bytes(b"ab")
    assert whole is not None
    assert (whole.is_accepting, whole.forced(0).is_end, whole.forced(9).text) == (True, False, b"")


def test_what_takes_long_is_given_up_and_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_memory, "FEW_STEPS", 12)
    state = Engine(odd_vocabulary()).start(program(Literals((b"a" * 200,))))
    found = state.forced(199).text
    assert 0 < len(found) < 199
    assert state.mask() is not None
    assert len(state.forced(199).text) > len(found), "what was worked out is kept"
