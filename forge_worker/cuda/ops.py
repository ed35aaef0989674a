"""CudaOps: the operations of a decoder on a GPU, each a kernel or two of ours or a product.

Results stand in buffers cut from the arena once, at addresses that graphs remember; those of
attention and of the gated part share one place, since they do not live at the same time:

    layer buffer   [ q|k|v of T tokens    | attended ]
                   [ gated of T tokens  | gate|up    ]

but where the two parts stand side by side, what attention made lives on:

    layer buffer   [ q|k|v, then gated | gate|up | attended ]

A step is prepared by the runner, on the device. Knows no requests and no scheduling.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint import ModelConfig
from forge_common.checkpoint.families import Activation
from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.cuda.arena import Arena
from forge_worker.cuda.attention import PagedAttention
from forge_worker.cuda.block_matrix import BlockMatrix, JoinedBlocks, matrix_bytes
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_step import DeviceStep
from forge_worker.cuda.embedding import Embedding
from forge_worker.cuda.experts import MixedExperts
from forge_worker.cuda.kv_tiles import KVTiles
from forge_worker.cuda.logit_cap import LogitCap
from forge_worker.cuda.norm import RmsNormKernels
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.products import Products
from forge_worker.cuda.rotary import Rotary
from forge_worker.cuda.weight_upload import WeightUpload
from forge_worker.ops.protocol import (
    Array,
    Expert,
    ExpertChoice,
    HeadNorms,
    Joining,
    KVLayer,
    LinearWeights,
    RmsNorm,
)
from forge_worker.weights.stored_tensor import StoredTensor


class Activations(NamedTuple):
    """Buffers of a step, for as many tokens as one may have."""

    residual: Array  # float32 [max_tokens, hidden_size]
    hidden: Array  # [max_tokens + max_rows, hidden_size]
    layer: Array  # flat
    attended: Array  # [max_tokens, num_heads · head_dim], in `layer`
    partial: Array  # float32 [max_tokens, hidden_size], where a model needs it
    logits: Array  # float32 [max_rows, vocab_size]


class Kernels(NamedTuple):
    """Made for one model on one device."""

    embedding: Embedding
    norm: RmsNormKernels
    rotary: Rotary
    attention: PagedAttention
    kv_tiles: KVTiles
    products: Products
    experts: MixedExperts | None  # of a model that has some
    logit_cap: LogitCap
    embedding_scale: float = 1.0
    block_formats: tuple[str, ...] = ()  # that weights may be kept in


class CudaOps:
    def __init__(
        self,
        device: Device,
        precision: Precision,
        arena: Arena,
        kernels: Kernels,
        activations: Activations,
        upload: WeightUpload,
    ) -> None:
        """`upload` is only used until all weights are placed."""
        self._device = device
        self._precision = precision
        self._arena = arena
        self._kernels = kernels
        self._activations = activations
        self._upload = upload

    def place(self, parts: Sequence[StoredTensor]) -> Array:
        num_rows = sum(len(part.array) for part in parts)
        placed = self._arena.take((num_rows, *parts[0].shape[1:]), self._precision.dtype)
        self._upload.put(parts, placed, self._precision)
        return placed

    def place_router(self, weight: StoredTensor) -> Array:
        return self.place([weight])

    @property
    def keeps_blocks(self) -> bool:
        return bool(self._kernels.block_formats)

    def place_blocks(self, parts: Sequence[StoredTensor]) -> JoinedBlocks:
        """Neighbours of one format become one matrix."""
        runs = [list(run) for _, run in groupby(parts, key=attrgetter("dtype"))]
        return JoinedBlocks(tuple(map(self._place_matrix, runs)))

    def _place_matrix(self, parts: Sequence[StoredTensor]) -> BlockMatrix:
        """Of one format."""
        num_rows, (_, num_columns) = sum(len(part.array) for part in parts), parts[0].shape
        dtype = parts[0].dtype
        memory = self._arena.take((matrix_bytes(dtype, num_rows, num_columns),), np.uint8)
        matrix = BlockMatrix(memory, dtype, num_rows, num_columns)
        self._upload.put_blocks(parts, matrix)
        return matrix

    def place_norm(self, weight: StoredTensor) -> Array:
        placed = self._arena.take(weight.shape, np.float32)
        self._upload.put([weight], placed, Precision.FLOAT32)
        return placed

    def kv_layer(self, num_blocks: int, block_size: int, config: ModelConfig) -> KVLayer:
        """Blocks are of the size that the kernels were made for."""
        tiles = self._kernels.kv_tiles
        shape = tiles.shape(num_blocks)
        layer = KVLayer(*(self._arena.take(shape, tiles.dtype) for _ in range(2)))
        for array in layer:
            self._device.fill_zero(array)
        return layer

    def scrub(self, kv_layer: KVLayer, block_ids: Sequence[int]) -> None:
        """Nothing is to be done: the kernels read no key or value that a query must not see."""

    def begin_step(self, inputs: DeviceStep, config: ModelConfig, block_size: int) -> DeviceStep:
        """The runner has prepared everything."""
        return inputs

    def embed(self, table: Array, step: DeviceStep) -> Array:
        residual = self._activations.residual[: step.shape.num_tokens]
        if isinstance(table, JoinedBlocks):
            scale = np.float32(self._kernels.embedding_scale)
            self._kernels.products.embed(table, step.token_ids, residual, scale)
        else:
            self._kernels.embedding(table, step.token_ids, residual)
        return residual

    def norm_linear(self, residual: Array, norm: RmsNorm | None, weights: LinearWeights) -> Array:
        out = self._in_layer(len(residual), len(weights.weight))
        self._kernels.products.norm_linear(residual, norm, weights, out)
        return out

    def norm_gated(
        self,
        residual: Array,
        norm: RmsNorm | None,
        gate_up: LinearWeights,
        activation: Activation,
    ) -> Array:
        """`activation` is that of the config, for which the kernels were made."""
        out = self._in_layer(len(residual), len(gate_up.weight) // 2)
        self._kernels.products.norm_gated(residual, norm, gate_up, out)
        return out

    def add_linear(
        self, residual: Array, x: Array, weights: LinearWeights, joining: Joining
    ) -> None:
        self._kernels.products.add_linear(residual, x, weights, joining)

    def norm_experts(
        self,
        residual: Array,
        norm: RmsNorm | None,
        choice: ExpertChoice,
        experts: Sequence[Expert],
        activation: Activation,
    ) -> Array:
        """`activation` as in norm_gated. In float32."""
        mix = self._kernels.experts
        if mix is None:
            raise ValueError("these kernels were made for a model without experts")
        out = self._activations.partial[: len(residual)]
        mix(residual, norm, choice, experts, out)
        return out

    def add(self, residual: Array, x: Array, joining: Joining) -> None:
        self._kernels.norm.join(residual, x, joining)

    def clear(self, residual: Array) -> None:
        self._device.fill_zero(residual)

    def centre(self, residual: Array) -> None:
        self._kernels.norm.centre(residual)

    def rotate_and_store(
        self,
        qkv: Array,
        norms: HeadNorms | None,
        rope: Rope,
        step: DeviceStep,
        kv_layer: KVLayer,
    ) -> Array:
        """Q stays where it is: in front of K and V in each row of `qkv`."""
        self._kernels.rotary(qkv, norms, rope, step, kv_layer)
        return qkv

    def attention(
        self, query: Array, step: DeviceStep, kv_layer: KVLayer, window: int | None
    ) -> Array:
        out = self._activations.attended[: len(query)]
        self._kernels.attention(query, step, kv_layer, window, out)
        return out

    def final_norm(self, residual: Array, norm: RmsNorm, step: DeviceStep) -> Array:
        hidden = self._activations.hidden[: step.shape.num_logits]
        rows = step.logit_rows
        self._kernels.norm.gather_norm(residual, rows, norm.weight, norm.eps, hidden)
        return hidden

    def logits(self, x: Array, weight: Array, softcap: float | None) -> Array:
        """`softcap` is that of the config, for which the kernels were made."""
        logits = self._activations.logits[: len(x)]
        self._kernels.products.logits(x, weight, logits)
        self._kernels.logit_cap(logits)
        return logits

    def _in_layer(self, num_rows: int, width: int) -> Array:
        """Rows at the beginning of the layer buffer."""
        return self._activations.layer[: num_rows * width].reshape(num_rows, width)
