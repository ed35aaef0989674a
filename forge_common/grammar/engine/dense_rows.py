"""Rows of an automaton as one growing table, for walks that follow many states at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forge_common.grammar.automata.byte_automaton import DEAD, ByteAutomaton
from forge_common.grammar.automata.literals import LiteralTexts
from forge_common.grammar.engine.memory import Memory

FIRST_STATES = 16
NUM_BYTES = 256


class DenseRows:
    def __init__(self, automaton: ByteAutomaton, memory: Memory) -> None:
        self.automaton = automaton
        self.is_sparse = isinstance(automaton, LiteralTexts)  # a table would be mostly empty
        self._memory = memory
        self.table = np.full((0, NUM_BYTES), DEAD, np.int32)
        self.is_accepting = np.zeros(0, bool)
        self.ends_character = np.zeros(0, bool)
        self._is_known = np.zeros(0, bool)
        self._num_described = 0
        self._num_bytes_charged = 0

    def require(self, states: NDArray[np.int32]) -> None:
        """From here on the rows of these states can be read off the table."""
        self._grow(self.automaton.num_states)
        is_wanted = np.zeros(len(self._is_known), bool)
        is_wanted[states] = True
        for state in np.flatnonzero(is_wanted & ~self._is_known).tolist():
            self._fill(state)

    def charge(self) -> None:
        """For what the automaton has grown by."""
        num_bytes = self.automaton.num_bytes
        self._memory.charge(max(num_bytes - self._num_bytes_charged, 0))
        self._num_bytes_charged = num_bytes

    def _fill(self, state: int) -> None:
        row = self.automaton.row(state)
        self._grow(self.automaton.num_states)
        self.table[state, list(row.keys())] = list(row.values())
        self._is_known[state] = True

    def _grow(self, num_states: int) -> None:
        num_rows = len(self.table)
        if num_states > num_rows:
            num_added = max(num_states, 2 * num_rows, FIRST_STATES) - num_rows
            rows = np.full((num_added, NUM_BYTES), DEAD, np.int32)
            nothing = np.zeros(num_added, bool)
            self.table = np.concatenate((self.table, rows))
            self._is_known = np.concatenate((self._is_known, nothing))
            self.is_accepting = np.concatenate((self.is_accepting, nothing))
            self.ends_character = np.concatenate((self.ends_character, nothing))
            self._memory.charge(rows.nbytes)
        for state in range(self._num_described, num_states):
            self.is_accepting[state] = self.automaton.is_accepting(state)
            self.ends_character[state] = self.automaton.ends_character(state)
        self._num_described = max(self._num_described, num_states)
