"""Every architecture that a checkpoint may have can be computed."""

from __future__ import annotations

from forge_common.checkpoint.families import FAMILIES
from forge_worker.models.registry import MODEL_CLASSES


def test_every_known_family_has_a_class() -> None:
    assert MODEL_CLASSES.keys() == FAMILIES.keys()
