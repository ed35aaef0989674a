"""Linear projections, single or joined: y = x · Wᵀ + b. Knows no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forge_worker.ops.protocol import LinearWeights
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.head_order import Order
from forge_worker.weights.loader import TensorPart, WeightLoader


class Projection(NamedTuple):
    """`rows` where one tensor holds several projections."""

    prefix: str
    sharding: Sharding
    rows: slice = slice(None)
    order: Order | None = None

    def part(self, kind: str) -> TensorPart:
        return TensorPart(f"{self.prefix}.{kind}", self.sharding, self.rows, self.order)


def load_linear(
    loader: WeightLoader, projections: Sequence[Projection], has_bias: bool
) -> LinearWeights:
    """Projections of the same input become one, their outputs side by side."""
    weight = loader.load_joined([projection.part("weight") for projection in projections])
    biases = [projection.part("bias") for projection in projections]
    return LinearWeights(weight, loader.load_joined(biases) if has_bias else None)
