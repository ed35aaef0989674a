"""Which rows go through which expert, and with what weight. Knows no expert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import ExpertChoice


class ExpertRows(NamedTuple):
    expert: int
    rows: npt.NDArray[np.int64]
    weights: FloatArray  # of each of the rows


def by_expert(scores: FloatArray, choice: ExpertChoice) -> Iterator[ExpertRows]:
    """Experts that any row takes, in their order. scores: [num_rows, num_experts], unbounded.

    A row whose scores are not finite takes the first experts, with weights that are not finite.
    """
    order = np.argsort(-scores, axis=1, kind="stable")[:, : choice.num_chosen]
    chosen = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(chosen, order, True, axis=1)
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    if choice.is_renormalised:
        weights /= np.sum(weights, axis=1, keepdims=True, where=chosen)
    for expert in np.flatnonzero(chosen.any(axis=0)).tolist():
        rows = np.flatnonzero(chosen[:, expert])
        yield ExpertRows(expert, rows, weights[rows, expert])
