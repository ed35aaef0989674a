"""ShardedOps: the operations of one rank, where partial results meet those of the other ranks.

Two meetings a layer, after attention and after the gated part, and one for logits. Everything else
each rank does alone, on the residual that all of them hold. Knows no device and no weights.
"""

from __future__ import annotations

from forge_worker.ops.protocol import Array, Joining, LinearWeights, Ops
from forge_worker.parallel.communicator import Communicator


class ShardedOps:
    """An Ops made of another, which must keep the residual contiguous."""

    def __init__(self, ops: Ops, communicator: Communicator) -> None:
        self._ops = ops
        self._communicator = communicator
        self._is_first = communicator.shard.rank == 0
        self.keeps_blocks = ops.keeps_blocks
        self.place = ops.place
        self.place_blocks = ops.place_blocks
        self.place_norm = ops.place_norm
        self.place_router = ops.place_router
        self.kv_layer = ops.kv_layer
        self.scrub = ops.scrub
        self.begin_step = ops.begin_step
        self.clear = ops.clear
        self.centre = ops.centre
        self.embed = ops.embed
        self.norm_linear = ops.norm_linear
        self.norm_gated = ops.norm_gated
        self.rotate_and_store = ops.rotate_and_store
        self.attention = ops.attention
        self.norm_experts = ops.norm_experts
        self.add = ops.add
        self.final_norm = ops.final_norm

    def add_linear(
        self, residual: Array, x: Array, weights: LinearWeights, joining: Joining
    ) -> None:
        """Rank 0 alone brings residual and bias into the sum, so that both are added once."""
        if not self._is_first:
            self._ops.clear(residual)
            weights = LinearWeights(weights.weight, None)
        self._ops.add_linear(residual, x, weights, joining)
        self._communicator.all_reduce_sum(residual)

    def logits(self, x: Array, weight: Array, softcap: float | None) -> Array:
        return self._communicator.all_gather_columns(self._ops.logits(x, weight, softcap))
