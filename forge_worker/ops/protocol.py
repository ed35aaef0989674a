"""Ops: the fused operations a decoder needs, and all that a model knows of a device.

Models and layers are written once against this Protocol; a decoder layer is six of its calls.
`Array` is whatever the implementation computes with; T is the number of tokens of the step, and
arrays of shape [T, ...] may have any memory order. An operation may overwrite an argument only
where it says so. The residual is float32 whatever the precision of the weights. Knows nothing of
architectures, checkpoints or scheduling.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias

from forge_common.checkpoint import ModelConfig
from forge_worker.weights.stored_tensor import StoredTensor

Array: TypeAlias = Any  # of the device: numpy.ndarray, cupy.ndarray
StepInputs: TypeAlias = Any  # ForwardInputs, or on a device what its runner has put there
Step: TypeAlias = Any  # of the implementation: one step's inputs, prepared once for all layers


class LinearWeights(NamedTuple):
    weight: Array  # [out_features, in_features], as checkpoints have it
    bias: Array | None  # [out_features]


class RmsNorm(NamedTuple):
    """x / sqrt(mean(x²) + eps) · weight, over the last axis (Zhang and Sennrich 2019)."""

    weight: Array
    eps: float


class HeadNorms(NamedTuple):
    """RMS norm over each head of Q and of K, before the rotation (Qwen3)."""

    query: Array  # [head_dim]
    key: Array  # [head_dim]
    eps: float


class KVLayer(NamedTuple):
    """The cached keys and values of one layer, in the layout of the ops that made it."""

    keys: Array  # [num_blocks, ...]
    values: Array  # like keys


class Ops(Protocol):
    def place(self, parts: Sequence[StoredTensor]) -> Array:
        """Tensors one below the other, in the precision of the ops: [sum of their rows, ...]."""

    def kv_layer(self, num_blocks: int, block_size: int, config: ModelConfig) -> KVLayer:
        """Memory for cached keys and values: finite numbers everywhere from the start."""

    def scrub(self, kv_layer: KVLayer, block_ids: Sequence[int]) -> None:
        """See to it that numbers in these blocks that are not finite reach no later owner of them.

        Finite numbers stay, since other sequences may share them. Nothing is to be done where
        `attention` lets in no number that it must not see.
        """

    def begin_step(self, inputs: StepInputs, config: ModelConfig, block_size: int) -> Step:
        """Prepare what every layer of this step shares: rotations, slots, who attends to what."""

    def embed(self, table: Array, step: Step) -> Array:
        """The residual: rows of `table` [vocab_size, hidden_size] for the step's tokens."""

    def norm_linear(self, residual: Array, norm: RmsNorm, weights: LinearWeights) -> Array:
        """norm(residual) · weightᵀ + bias: [T, out_features]."""

    def norm_gated(self, residual: Array, norm: RmsNorm, gate_up: LinearWeights) -> Array:
        """silu(gate) · up of the joined gate|up = norm(residual) · weightᵀ + bias (Shazeer 2020).

        [T, out_features / 2].
        """

    def add_linear(self, residual: Array, x: Array, weights: LinearWeights) -> None:
        """Add x · weightᵀ + bias into `residual` [T, hidden_size], which is overwritten."""

    def clear(self, residual: Array) -> None:
        """Overwrite all of `residual` with zeros."""

    def rotate_and_store(
        self, qkv: Array, norms: HeadNorms | None, step: Step, kv_layer: KVLayer
    ) -> Array:
        """Split joined q|k|v, norm the heads, rotate Q and K, write K and V to the step's slots.

        Returns Q as [T, num_heads, head_dim]; `qkv` may be overwritten.
        """

    def attention(self, query: Array, step: Step, kv_layer: KVLayer, window: int | None) -> Array:
        """Causal attention of each token over the cached tokens of its own sequence.

        A query at position p sees positions max(0, p - window + 1) .. p. One entry for any mix of
        chunks and single tokens: [T, num_heads · head_dim].
        """

    def final_norm(self, residual: Array, norm: RmsNorm, step: Step) -> Array:
        """Of the rows whose logits are wanted: [num_logits, hidden_size]."""

    def logits(self, x: Array, weight: Array) -> Array:
        """x · weightᵀ in float32, row after row: [num_rows, vocab_size]."""
