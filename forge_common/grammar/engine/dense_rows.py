"""Rows of an automaton as one growing table, for walks that follow many states at once.

A state's number in the table is one more than the automaton's, so that 0 is no state, and its row
leads nowhere else: what is dead stays dead without being looked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.literals import LiteralTexts
from forge_common.grammar.engine.memory import Memory
from forge_common.grammar.engine.reach import Ints

NUM_BYTES = 256
FIRST_ROWS = 16
STEPS_A_ROW = 25
NOWHERE = 0


class DenseRows:
    def __init__(self, automaton: ByteAutomaton, memory: Memory) -> None:
        self.automaton = automaton
        self.is_sparse = isinstance(automaton, LiteralTexts)  # a table would be mostly empty
        self.table = np.zeros((1, NUM_BYTES), np.int32)
        self.is_accepting = np.zeros(1, bool)
        self.ends_character = np.zeros(1, bool)
        self._is_known = np.ones(1, bool)
        self._num_described = 1
        self._num_bytes_charged = 0
        self._memory = memory

    def number(self, state: int) -> int:
        self._grow()
        return state + 1

    def require(self, numbers: Ints) -> None:
        """From here on the rows of these states can be read off the table."""
        is_wanted = np.zeros(len(self._is_known), bool)
        is_wanted[numbers] = True
        for number in np.flatnonzero(is_wanted & ~self._is_known).tolist():
            self._memory.steps.spend(STEPS_A_ROW)
            self._fill(number)

    def next_numbers(self, numbers: Ints, bytes_: NDArray[np.uint8]) -> Ints:
        places = numbers * np.int32(NUM_BYTES)
        places += bytes_
        following: Ints = self.table.reshape(-1).take(places)
        return following

    def charge(self) -> None:
        """For what the automaton has grown by."""
        num_bytes = self.automaton.num_bytes
        self._memory.charge(max(num_bytes - self._num_bytes_charged, 0))
        self._num_bytes_charged = num_bytes

    def _fill(self, number: int) -> None:
        row = self.automaton.row(number - 1)
        self._grow()
        self.table[number, list(row.keys())] = np.fromiter(row.values(), np.int32, len(row)) + 1
        self._is_known[number] = True

    def _grow(self) -> None:
        """To all states that have been found, and say what they are."""
        num_needed = self.automaton.num_states + 1
        num_rows = len(self.table)
        if num_needed > num_rows:
            num_added = max(num_needed, 2 * num_rows, FIRST_ROWS) - num_rows
            nothing = np.zeros(num_added, bool)
            self.table = np.concatenate((self.table, np.zeros((num_added, NUM_BYTES), np.int32)))
            self._is_known = np.concatenate((self._is_known, nothing))
            self.is_accepting = np.concatenate((self.is_accepting, nothing))
            self.ends_character = np.concatenate((self.ends_character, nothing))
            self._memory.charge(num_added * NUM_BYTES * self.table.itemsize)
        for number in range(self._num_described, num_needed):
            self.is_accepting[number] = self.automaton.is_accepting(number - 1)
            self.ends_character[number] = self.automaton.ends_character(number - 1)
        self._num_described = num_needed
