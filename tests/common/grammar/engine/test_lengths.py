"""Room for code points, near and far."""

from __future__ import annotations

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine.lengths import Lengths, Room
from forge_common.grammar.program import JsonString, Pattern

ANY_LENGTH = (JsonString(), JsonString((Pattern("^[a-zé]*$"),)), JsonString((Pattern(""),)))
CERTAIN_LENGTHS = (JsonString(excluded=("a",)), JsonString((Pattern("^(ab)*$"),)))


def lengths_of(rule: JsonString) -> Lengths:
    return Lengths(AutomatonStore().string(rule))


def test_room_shrinks_by_what_is_read() -> None:
    assert Room(2, 5).after(3) == Room(0, 2)
    assert Room(2, None).after(1) == Room(1, None)
    assert Room(0, 1).after(2) == Room(0, -1)


@pytest.mark.parametrize("rule", [*ANY_LENGTH, *CERTAIN_LENGTHS])
def test_ends_are_known_as_the_automaton_knows_them(rule: JsonString) -> None:
    automaton = AutomatonStore().string(rule)
    lengths = Lengths(automaton)
    waiting, seen = [automaton.start], {automaton.start}
    while waiting and len(seen) < 60:
        state = waiting.pop()
        for fewest in range(4):
            for most in (*range(4), None):
                expected = automaton.can_finish(state, fewest, most)
                assert lengths.can_finish(state, Room(fewest, most)) == expected
        following = set(automaton.row(state).values()) - seen
        seen |= following
        waiting += sorted(following)


@pytest.mark.parametrize("rule", ANY_LENGTH)
def test_far_counts_do_not_matter_where_any_length_is_possible(rule: JsonString) -> None:
    lengths = lengths_of(rule)
    assert lengths.near(Room(10**9, 10**12), 20) == Room(20, None)
    assert lengths.near(Room(3, 19), 20) == Room(3, 19)


@pytest.mark.parametrize("rule", CERTAIN_LENGTHS)
def test_far_counts_stay_exact_where_lengths_are_certain_ones(rule: JsonString) -> None:
    assert lengths_of(rule).near(Room(10**9, 10**12), 20) == Room(10**9, 10**12)
