"""Linear projections, single or joined: y = x · Wᵀ + b. Knows no files."""

from __future__ import annotations

from forge_worker.ops.protocol import LinearWeights
from forge_worker.weights.loader import WeightLoader


def load_linear(loader: WeightLoader, prefixes: tuple[str, ...], has_bias: bool) -> LinearWeights:
    """Projections of the same input become one, their outputs side by side."""
    weight = loader.load_joined([f"{prefix}.weight" for prefix in prefixes])
    if not has_bias:
        return LinearWeights(weight, None)
    return LinearWeights(weight, loader.load_joined([f"{prefix}.bias" for prefix in prefixes]))
