"""What an automaton may cost."""

from __future__ import annotations

import pytest

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.errors import GrammarTooLarge


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


def test_bytes_grow_with_all_that_is_bought() -> None:
    budget = Budget()
    sizes = [budget.num_bytes]
    for spend in (budget.spend_node, budget.spend_state, budget.spend_steps):
        spend()
        sizes.append(budget.num_bytes)
    budget.spend_edges(1)
    sizes.append(budget.num_bytes)
    assert sizes[0] == 0
    assert sizes == sorted(set(sizes))
