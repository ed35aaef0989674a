"""ByteAutomaton: a deterministic automaton over bytes whose rows are made when first asked for.

States are small integers in the order of their discovery. A state from which no accepted text can
be reached never appears, so whatever has an edge can be finished. Knows nothing of how rows are
made: text, numbers and literals do that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from forge_common.grammar.errors import GrammarTooLarge

Row = Mapping[int, int]  # byte -> next state
Table = NDArray[np.int32]  # [num_states, 256]
DEAD = -1  # in a Table: no edge

MAX_STATES = 50_000
MAX_STEPS = 2_000_000


class Budget:
    """What one automaton may cost, in states kept and in steps taken to find them.

    Steps, not seconds: the same grammar is refused on every machine, or on none.
    """

    def __init__(self, max_states: int = MAX_STATES, max_steps: int = MAX_STEPS) -> None:
        self._num_states_left = max_states
        self._num_steps_left = max_steps

    def spend_states(self, num_states: int = 1) -> None:
        self._num_states_left -= num_states
        if self._num_states_left < 0:
            raise GrammarTooLarge("a pattern or number needs too many states")

    def spend_steps(self, num_steps: int = 1) -> None:
        self._num_steps_left -= num_steps
        if self._num_steps_left < 0:
            raise GrammarTooLarge("a pattern or number takes too long to work out")


class ByteAutomaton(Protocol):
    @property
    def start(self) -> int: ...

    @property
    def num_states(self) -> int:
        """Those found so far; 0 to num_states - 1 are valid."""

    def row(self, state: int) -> Row:
        """Made at the first call and kept; not to be changed. GrammarTooLarge beyond the budget."""

    def is_accepting(self, state: int) -> bool: ...

    def ends_character(self, state: int) -> bool:
        """Whether a text that stops here is made of whole code points, and more may follow.

        The code points read so far are the such states entered, less the first: in a JSON string
        that is the one behind the opening quote, in plain text the start. The state behind the
        closing quote is none of them.
        """


def is_empty(automaton: ByteAutomaton) -> bool:
    return not automaton.is_accepting(automaton.start) and not automaton.row(automaton.start)


def accepts(automaton: ByteAutomaton, text: bytes) -> bool:
    state: int | None = automaton.start
    for byte in text:
        state = automaton.row(state).get(byte)
        if state is None:
            return False
    return automaton.is_accepting(state)


def dense_table(automaton: ByteAutomaton, max_states: int) -> Table | None:
    """All rows as one table; None where there are more than `max_states`."""
    rows: list[Row] = []
    while len(rows) < automaton.num_states:
        if automaton.num_states > max_states:
            return None
        rows.append(automaton.row(len(rows)))
    table = np.full((len(rows), 256), DEAD, np.int32)
    for state, row in enumerate(rows):
        table[state, list(row.keys())] = list(row.values())
    table.flags.writeable = False
    return table
