"""The families' table."""

from __future__ import annotations

from forge_common.checkpoint.families import FAMILIES


def test_each_family_stands_under_its_own_name() -> None:
    assert all(name == family.architecture for name, family in FAMILIES.items())
