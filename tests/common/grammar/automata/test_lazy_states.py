"""Numbers for states that are worked out one by one, without dead ends."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.lazy_states import LazyStates
from forge_common.grammar.errors import GrammarTooLarge


class Steps:
    """From n to 2n and 2n + 1, up to a last number; some are accepted."""

    has_dead_ends = True
    start = 1

    def __init__(self, last: int, accepted: set[int]) -> None:
        self.last = last
        self.accepted = accepted
        self.asked: list[int] = []

    def follow(self, key: int) -> Mapping[int, int]:
        self.asked.append(key)
        return {bit: 2 * key + bit for bit in (0, 1) if 2 * key + bit <= self.last}

    def is_accepting(self, key: int) -> bool:
        return key in self.accepted


def keys_after(states: LazyStates[int], key: int) -> dict[int, int]:
    return {symbol: states.key(to) for symbol, to in states.edges(states.number(key)).items()}


def test_edges_to_dead_ends_are_left_out() -> None:
    states = LazyStates(Steps(31, {22}), Budget())
    assert keys_after(states, 1) == {0: 2}
    assert keys_after(states, 2) == {1: 5}
    assert keys_after(states, 5) == {1: 11}
    assert keys_after(states, 11) == {0: 22}
    assert keys_after(states, 22) == {}
    assert not states.is_empty


def test_nothing_accepted_is_an_empty_start() -> None:
    states = LazyStates(Steps(31, set()), Budget())
    assert states.is_empty
    assert states.edges(states.start) == {}


def test_an_accepting_start_is_not_empty() -> None:
    assert not LazyStates(Steps(1, {1}), Budget()).is_empty


def test_a_space_without_dead_ends_is_never_searched() -> None:
    space = Steps(10**9, {10**9})
    space.has_dead_ends = False
    states = LazyStates(space, Budget())
    states.edges(states.start)
    assert space.asked == [1]


def test_every_state_is_worked_out_once() -> None:
    space = Steps(63, {40, 63})
    states = LazyStates(space, Budget())
    for _ in range(2):
        for key in range(1, 64):
            states.edges(states.number(key))
    assert len(space.asked) == len(set(space.asked))


def test_a_search_is_bounded() -> None:
    states = LazyStates(Steps(10**9, {10**9}), Budget(max_steps=1000))
    with pytest.raises(GrammarTooLarge):
        states.edges(states.start)


def test_states_are_bounded() -> None:
    states = LazyStates(Steps(10**9, set(range(10**4))), Budget(max_states=5))
    for key in range(1, 3):
        states.edges(states.number(key))
    with pytest.raises(GrammarTooLarge):
        states.edges(states.number(3))
