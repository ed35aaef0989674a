"""What an automaton reaches from a state and some nodes of the trie. Knows not how it is found."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]


class Reach(NamedTuple):
    """Where code points are not counted, only `tokens` and `ends` hold anything."""

    tokens: Ints  # read to their ends
    token_states: Ints
    token_characters: Ints  # code points read in each
    ends: Ints  # nodes where the automaton accepts, the first ones among them
    end_characters: Ints

    @property
    def num_bytes(self) -> int:
        return sum(array.nbytes for array in self)
