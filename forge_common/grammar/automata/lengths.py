"""In how many further characters a text can be finished, for every state of a language.

Where lengths are bounded the one who counts has to know that a text does not run into a corner:
`^(ab)*$` with at most 5 characters must not begin a third pair. The states that finish in k + 1
characters are those before the ones that finish in k; from some k on these sets repeat, so all
lengths are known after finitely many. Counts themselves never become states. Knows no bytes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.language import Language
from forge_common.grammar.errors import GrammarTooLarge

MAX_STATES = 4096
MAX_STEPS = 2_000_000
StateSet = int  # bit s: state s is in it
LengthSet = int  # bit k: length k is in it


class _Rhythm(NamedTuple):
    first: int  # from this length on the sets repeat,
    period: int  # every so many


class Completions:
    def __init__(self, language: Language) -> None:
        self._finishing = [_accepting(language)]
        self._rhythm = self._follow_back(
            _followers(language), Budget(max_steps=MAX_STEPS, meter=language.budget.meter)
        )
        self._lengths: dict[int, LengthSet] = {}

    def can_finish(self, state: int, fewest: int, most: int | None) -> bool:
        """Whether some accepted text is `fewest` to `most` characters longer."""
        fewest = max(fewest, 0)
        if most is not None and most < fewest:
            return False
        first, period = self._rhythm
        num_skipped = max(fewest - first, 0) // period * period
        num_known = first + 2 * period
        end = num_known if most is None else min(most - num_skipped + 1, num_known)
        start = fewest - num_skipped
        return self._lengths_of(state) >> start & ((1 << (end - start)) - 1) != 0

    def _lengths_of(self, state: int) -> LengthSet:
        """Two periods long, so that it holds every window of one."""
        found = self._lengths.get(state)
        if found is None:
            found = 0
            for length, states in enumerate(self._finishing):
                found |= (states >> state & 1) << length
            first, period = self._rhythm
            found |= found >> first << (first + period)
            self._lengths[state] = found
        return found

    def _follow_back(self, followers: list[StateSet], budget: Budget) -> _Rhythm:
        seen = {self._finishing[0]: 0}
        while True:
            budget.spend_steps(len(followers))
            here = self._finishing[-1]
            before = _set_of(state for state, after in enumerate(followers) if after & here)
            if before in seen:
                return _Rhythm(seen[before], len(self._finishing) - seen[before])
            seen[before] = len(self._finishing)
            self._finishing.append(before)


def _set_of(states: Iterable[int]) -> StateSet:
    found = 0
    for state in states:
        found |= 1 << state
    return found


def _accepting(language: Language) -> StateSet:
    """Works out all states on the way."""
    states = language.states
    state = 0
    while state < states.num_states:
        if states.num_states > MAX_STATES:
            raise GrammarTooLarge("a pattern has too many states for lengths to be counted")
        states.edges(state)
        state += 1
    return _set_of(state for state in range(states.num_states) if states.is_accepting(state))


def _followers(language: Language) -> list[StateSet]:
    states = language.states
    return [_set_of(states.edges(state).values()) for state in range(states.num_states)]
