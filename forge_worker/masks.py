"""Masks: which tokens the grammars of a step's rows allow, once that is worked out.

Knows no grammar, and nothing of how long any takes.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from forge_common.protocol.message import Failure
from forge_worker.forward_inputs import IntArray
from forge_worker.sampler.grammar_mask import MaskWords


class Masks(NamedTuple):
    """By row, where a row has a grammar."""

    words: dict[int, MaskWords]
    errors: dict[int, Failure]
    delayed: set[int]  # rows whose masks are not worked out yet

    def errors_of(self, rows: IntArray) -> dict[int, Failure]:
        """By index of `rows`."""
        if not self.errors:
            return {}
        found = enumerate(map(self.errors.get, rows.tolist()))
        return {index: error for index, error in found if error is not None}

    def delayed_of(self, rows: IntArray) -> list[int]:
        """Indices of `rows`."""
        if not self.delayed:
            return []
        return [index for index, row in enumerate(rows.tolist()) if row in self.delayed]


class PendingMasks(Protocol):
    def result(self) -> Masks:
        """Waits until they are worked out."""


class NoMasks:
    def result(self) -> Masks:
        return Masks({}, {}, set())
