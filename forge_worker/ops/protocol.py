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
from forge_common.checkpoint.families import Activation
from forge_common.checkpoint.rope_scaling import Rope
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
    """RMS norm of Q and of K before the rotation: over each head (Qwen 3), or, where a weight is as
    wide as all heads together, over all of them (OLMo 2)."""

    query: Array  # [head_dim], or [num_heads · head_dim]
    key: Array  # [head_dim], or [num_kv_heads · head_dim]
    eps: float


class Joining(NamedTuple):
    """How what a part of a layer computed meets the residual: residual += scale · norm(x)."""

    norm: RmsNorm | None = None
    scale: float = 1.0


class ExpertChoice(NamedTuple):
    """Each row takes the `num_chosen` experts that softmax(x · routerᵀ) likes best, weighted by it.

    Of equal ones the first. Where `is_renormalised`, the weights that are left sum to 1.
    """

    router: Array  # [num_experts, hidden_size]
    num_chosen: int
    is_renormalised: bool


class Expert(NamedTuple):
    gate_up: LinearWeights
    down: LinearWeights


class KVLayer(NamedTuple):
    """The cached keys and values of one layer, in the layout of the ops that made it."""

    keys: Array  # [num_blocks, ...]
    values: Array  # like keys


class Ops(Protocol):
    @property
    def keeps_blocks(self) -> bool:
        """Whether `place_blocks` keeps what it is given, in the formats of device_blocks.py."""

    def place(self, parts: Sequence[StoredTensor]) -> Array:
        """Tensors one below the other, in the precision of the ops: [sum of their rows, ...]."""

    def place_router(self, weight: StoredTensor) -> Array:
        """What chooses experts, [num_experts, hidden_size]: never narrowed by `--quantize`, since a
        small error in it takes other experts."""

    def place_blocks(self, parts: Sequence[StoredTensor]) -> Array:
        """As `place`, for parts in blocks, where the ops keep such as they are."""

    def place_norm(self, weight: StoredTensor) -> Array:
        """The weight of a norm, in float32 whatever the precision of the ops."""

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
        """The residual: rows of `table` [vocab_size, hidden_size] for the step's tokens, times the
        config's embedding_scale."""

    def norm_linear(self, residual: Array, norm: RmsNorm | None, weights: LinearWeights) -> Array:
        """norm(residual) · weightᵀ + bias: [T, out_features]. Without a norm, of the residual."""

    def norm_gated(
        self,
        residual: Array,
        norm: RmsNorm | None,
        gate_up: LinearWeights,
        activation: Activation,
    ) -> Array:
        """act(gate) · up of the joined gate|up = norm(residual) · weightᵀ + bias (Shazeer 2020).

        [T, out_features / 2].
        """

    def add_linear(
        self, residual: Array, x: Array, weights: LinearWeights, joining: Joining
    ) -> None:
        """Join x · weightᵀ + bias to `residual` [T, hidden_size], which is overwritten."""

    def norm_experts(
        self,
        residual: Array,
        norm: RmsNorm | None,
        choice: ExpertChoice,
        experts: Sequence[Expert],
        activation: Activation,
    ) -> Array:
        """The weighted sum of down(act(gate(n)) · up(n)) over the chosen experts: [T, hidden_size].

        n = norm(residual). The sum is taken in the order of the experts.
        """

    def add(self, residual: Array, x: Array, joining: Joining) -> None:
        """Join `x` [T, hidden_size] to `residual`, which is overwritten."""

    def clear(self, residual: Array) -> None:
        """Overwrite all of `residual` with zeros."""

    def centre(self, residual: Array) -> None:
        """Take from each row of `residual`, which is overwritten, its mean.

        The RMS norm of what is left is the layer norm of the row (Ba et al. 2016).
        """

    def rotate_and_store(
        self, qkv: Array, norms: HeadNorms | None, rope: Rope, step: Step, kv_layer: KVLayer
    ) -> Array:
        """Split joined q|k|v, norm the heads, rotate Q and K, write K and V to the step's slots.

        Returns Q as [T, num_heads, head_dim]; `qkv` may be overwritten.
        """

    def attention(self, query: Array, step: Step, kv_layer: KVLayer, window: int | None) -> Array:
        """Causal attention of each token over the cached tokens of its own sequence.

        A query at position p sees positions max(0, p - window + 1) .. p. One entry for any mix of
        chunks and single tokens: [T, num_heads · head_dim]. Scores are scaled, and bent where the
        config has an attention_softcap (Gemma 2), as it says.
        """

    def final_norm(self, residual: Array, norm: RmsNorm, step: Step) -> Array:
        """Of the rows whose logits are wanted: [num_logits, hidden_size]."""

    def logits(self, x: Array, weight: Array, softcap: float | None) -> Array:
        """x · weightᵀ in float32, row after row: [num_rows, vocab_size].

        With a `softcap`, cap · tanh(logit / cap).
        """
