"""What every automaton over bytes can do, shown on tries."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.byte_automaton import DEAD
from forge_common.grammar.automata.literals import LiteralTexts
from forge_common.grammar.errors import GrammarTooLarge


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


def test_a_budget_ends_by_states_steps_edges_and_nodes() -> None:
    budget = Budget(max_nodes=1, max_states=1, max_steps=1, max_edges=1)
    budget.spend_node()
    budget.spend_state()
    budget.spend_steps(1)
    budget.spend_edges(1)
    for spend in (budget.spend_node, budget.spend_state, budget.spend_steps):
        with pytest.raises(GrammarTooLarge):
            spend()
    with pytest.raises(GrammarTooLarge):
        budget.spend_edges(1)
