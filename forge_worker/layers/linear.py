"""Linear projections, single or joined: y = x · Wᵀ + b. Knows no files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forge_worker.ops.protocol import LinearWeights
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import TensorPart, WeightLoader


class Projection(NamedTuple):
    prefix: str
    sharding: Sharding


def load_linear(
    loader: WeightLoader, projections: Sequence[Projection], has_bias: bool
) -> LinearWeights:
    """Projections of the same input become one, their outputs side by side."""
    weights = [TensorPart(f"{p.prefix}.weight", p.sharding) for p in projections]
    biases = [TensorPart(f"{p.prefix}.bias", p.sharding) for p in projections]
    weight = loader.load_joined(weights)
    return LinearWeights(weight, loader.load_joined(biases) if has_bias else None)
