"""What is known by row is asked for by place in a step."""

from __future__ import annotations

import numpy as np

from forge_common.protocol.message import Failure
from forge_worker.masks import Masks, NoMasks


def test_errors_and_delays_are_found_by_the_places_of_their_rows() -> None:
    failure = Failure("too large")
    masks = Masks({}, {7: failure, 3: failure}, {2})
    rows = np.array([2, 7, 1], np.int32)
    assert masks.errors_of(rows) == {1: failure}
    assert masks.delayed_of(rows) == [0]


def test_rows_without_a_grammar_have_neither() -> None:
    rows = np.array([2, 7], np.int32)
    masks = NoMasks().result()
    assert (masks.errors_of(rows), masks.delayed_of(rows), masks.words) == ({}, [], {})
