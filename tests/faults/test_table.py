"""No cell of the matrix is forgotten: each is tested, or there is a reason why not."""

from __future__ import annotations

from itertools import product

from tests.faults.cells import ABSENT, FAULTS, ROLES
from tests.faults.table import outcomes


def test_every_cell_is_tested_or_explained_and_none_is_both() -> None:
    tested, absent = set(outcomes()), set(ABSENT)
    assert tested | absent == set(product(ROLES, FAULTS))
    assert not tested & absent
