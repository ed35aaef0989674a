"""What every automaton over bytes can do, shown on tries."""

from __future__ import annotations

import numpy as np

from forge_common.grammar.automata.byte_automaton import DEAD
from forge_common.grammar.automata.literals import LiteralTexts


def test_a_dense_table_has_the_rows_as_they_are() -> None:
    automaton = LiteralTexts([b"ab", b"ac", b"b"])
    table = automaton.dense_table(max_states=10)
    assert table is not None
    assert table.shape == (automaton.num_states, 256)
    assert table.dtype == np.int32
    for state in range(automaton.num_states):
        row = {byte: to for byte, to in enumerate(table[state].tolist()) if to != DEAD}
        assert row == automaton.row(state)


def test_a_dense_table_is_refused_beyond_its_size() -> None:
    assert LiteralTexts([b"abcdef"]).dense_table(max_states=6) is None
    assert LiteralTexts([b"abcdef"]).dense_table(max_states=7) is not None
