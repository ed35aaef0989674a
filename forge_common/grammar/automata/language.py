"""A set of texts, by the symbols of its alphabet. Knows nothing of how text is written."""

from __future__ import annotations

from typing import NamedTuple

from forge_common.grammar.automata.alphabet import Alphabet
from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.code_points import is_surrogate
from forge_common.grammar.automata.lazy_states import LazyStates
from forge_common.grammar.automata.lookaheads import ThreadState
from forge_common.grammar.automata.nfa import Nfa
from forge_common.grammar.automata.thread_states import ThreadSpace


class Language(NamedTuple):
    alphabet: Alphabet
    states: LazyStates[ThreadState]
    universal: int | None  # the state behind which every text is accepted
    budget: Budget

    @property
    def is_empty(self) -> bool:
        return self.states.is_empty

    @property
    def num_bytes(self) -> int:
        return self.budget.num_bytes

    def accepts(self, text: str) -> bool:
        state = self.states.start
        for character in text:
            if is_surrogate(ord(character)):
                return False
            following = self.states.edges(state).get(self.alphabet.symbol(ord(character)))
            if following is None:
                return False
            state = following
        return self.states.is_accepting(state)


def language_of(nfa: Nfa, budget: Budget) -> Language:
    space = ThreadSpace(nfa, budget)
    states = LazyStates(space, budget)
    universal = None if space.universal is None else states.number(space.universal)
    return Language(nfa.alphabet, states, universal, budget)
