"""What a row of the table says of its sequence, and what it says when nothing was asked."""

from __future__ import annotations

import math

import numpy as np

from forge_worker.sampler.table import History, SamplingTable
from tests.worker.fakes import sampling

NOBODY = History([], [])


def table_of(**params) -> SamplingTable:
    """Its row 1 is set."""
    table = SamplingTable(3, 100)
    table.set(1, sampling(**params), 2, NOBODY)
    return table


def filters_of(**params) -> list[float]:
    filters = table_of(**params).filters(np.array([1], np.int32))
    return [float(column[0]) for column in filters]


def test_nothing_asked_changes_nothing() -> None:
    assert filters_of() == [100, 1.0, -math.inf]
    assert not table_of().rules


def test_filters_are_kept_by_row() -> None:
    assert filters_of(top_k=7, top_p=0.5, min_p=1.0) == [7, 0.5, 0.0]


def test_top_k_beyond_the_vocabulary_is_the_vocabulary() -> None:
    assert filters_of(top_k=2**31 - 1)[0] == 100


def test_largest_seed_fits() -> None:
    table = table_of(seed=2**63 - 1)
    assert (int(table.seeds[1]), int(table.choice_indices[1])) == (2**63 - 1, 2)


def test_new_owner_of_a_row_inherits_no_rules() -> None:
    table = table_of(min_tokens=5)
    table.set(1, sampling(), 0, NOBODY)
    assert not table.rules


def test_outputs_reach_the_rules_of_their_own_rows() -> None:
    table = table_of(min_tokens=1, eos_token_ids=(4,))
    table.append(np.array([0, 2], np.int32), np.array([8, 8]))
    assert list(table.rules[1].banned_token_ids()) == [4]
    table.append(np.array([0, 1], np.int32), np.array([8, 8]))
    assert list(table.rules[1].banned_token_ids()) == []
