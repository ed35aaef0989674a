"""Ops: the fused operations a decoder needs, and all that a model knows of a device.

Models and layers are written once against this Protocol. `Array` is whatever the implementation
computes with; T is the number of tokens of the step, and arrays of shape [T, ...] may have any
memory order. An operation may overwrite an argument only where it says so. Knows nothing of
architectures, checkpoints or scheduling.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint import ModelConfig
from forge_worker.forward_inputs import FloatArray, ForwardInputs

Array: TypeAlias = Any  # of the device: numpy.ndarray, cupy.ndarray
Step: TypeAlias = Any  # of the implementation: one step's inputs, prepared once for all layers


class LinearWeights(NamedTuple):
    weight: Array  # [out_features, in_features], as checkpoints have it
    bias: Array | None  # [out_features]


class HeadNorms(NamedTuple):
    """RMS norm over each head of Q and of K, before the rotation (Qwen3)."""

    query: Array  # [head_dim]
    key: Array  # [head_dim]
    eps: float


class KVLayer(NamedTuple):
    """The cached keys and values of one layer."""

    keys: Array  # [num_blocks, block_size, num_kv_heads, head_dim]
    values: Array  # like keys


class Ops(Protocol):
    def place(self, weight: npt.NDArray[np.float32]) -> Array:
        """Take a weight over from the loader; the caller does not touch it again."""

    def zeros(self, shape: tuple[int, ...]) -> Array:
        """Memory for cached keys or values: finite numbers everywhere from the start."""

    def begin_step(self, inputs: ForwardInputs, config: ModelConfig, block_size: int) -> Step:
        """Prepare what every layer of this step shares: rotations, slots, who attends to what."""

    def embed(self, table: Array, step: Step) -> Array:
        """Rows of `table` [vocab_size, hidden_size] for the step's tokens: [T, hidden_size]."""

    def add_rms_norm(self, x: Array | None, residual: Array, weight: Array, eps: float) -> Array:
        """Add `x`, if any, into `residual`, which is overwritten; return the norm of the sum:

        s / sqrt(mean(s²) + eps) · weight, over the last axis (Zhang and Sennrich 2019).
        """

    def linear(self, x: Array, weights: LinearWeights) -> Array:
        """x · weightᵀ + bias: [T, out_features]."""

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

    def silu_mul(self, gate_up: Array) -> Array:
        """silu(gate) · up of joined gate|up: [T, intermediate_size]; may overwrite `gate_up`."""

    def logit_rows(self, x: Array, step: Step) -> Array:
        """The rows whose logits are wanted: [num_logits, hidden_size]."""

    def logits(self, x: Array, weight: Array) -> FloatArray:
        """x · weightᵀ on the host, row after row: [num_logits, vocab_size]."""
