"""ByteAutomaton: a deterministic automaton over bytes whose rows are made when first asked for.

States are small integers in the order of their discovery. A state from which no accepted text can
be reached never appears, so whatever has an edge can be finished. Knows nothing of how rows are
made: text, numbers and literals do that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Row = Mapping[int, int]  # byte -> next state
Table = NDArray[np.int32]  # [num_states, 256]
DEAD = -1  # in a Table: no edge


class ByteAutomaton(ABC):
    """What the engine walks. Not safe to share between threads: rows are made as they are read."""

    @property
    @abstractmethod
    def start(self) -> int: ...

    @property
    @abstractmethod
    def num_states(self) -> int:
        """Those found so far: 0 to num_states - 1 are valid."""

    @property
    @abstractmethod
    def num_bytes(self) -> int:
        """What the rows made so far take in memory, about."""

    @abstractmethod
    def row(self, state: int) -> Row:
        """Made at the first call and kept; not to be changed. GrammarTooLarge beyond the budget."""

    @abstractmethod
    def is_accepting(self, state: int) -> bool: ...

    @abstractmethod
    def ends_character(self, state: int) -> bool:
        """Whether a value that stops here is made of whole code points.

        The code points read so far are the such states entered, less the first: in a JSON string
        that is the one behind the opening quote, in plain text the start. The state behind the
        closing quote is none of them.
        """

    @property
    def ends_everything(self) -> bool:
        """Whether nothing may come behind what it accepts, so that its ends need not be known."""
        return False

    @property
    def is_empty(self) -> bool:
        """Whether no text at all is accepted."""
        return not self.is_accepting(self.start) and not self.row(self.start)

    def accepts(self, text: bytes) -> bool:
        state = self.start
        for byte in text:
            following = self.row(state).get(byte)
            if following is None:
                return False
            state = following
        return self.is_accepting(state)

    def dense_table(self, max_states: int) -> Table | None:
        """All rows as one table; None where there are more than `max_states`."""
        num_read = 0
        while num_read < self.num_states <= max_states:
            self.row(num_read)
            num_read += 1
        if self.num_states > max_states:
            return None
        table = np.full((self.num_states, 256), DEAD, np.int32)
        for state in range(self.num_states):
            row = self.row(state)
            table[state, list(row.keys())] = list(row.values())
        table.flags.writeable = False
        return table
