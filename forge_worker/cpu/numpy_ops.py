"""NumpyOps: the reference of every operation, in float32.

Written for clarity first, and vectorised over the batch. Two habits come from measurement:

- A small batch keeps its activations in column order: OpenBLAS multiplies W·xᵀ a third faster than
  x·Wᵀ there, and the transposed result is the next product's operand as it is.
- Element-wise work on many tokens goes in slabs that stay in a core's cache, shared among threads.

Knows nothing of models.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from forge_common.checkpoint import ModelConfig
from forge_common.checkpoint.families import Activation
from forge_common.checkpoint.rope_scaling import Rope
from forge_worker.cpu.activations import ACTIVATIONS, bend
from forge_worker.cpu.attention import attend
from forge_worker.cpu.attention_plan import AttentionPlan, plan_attention
from forge_worker.cpu.expert_rows import by_expert
from forge_worker.cpu.thread_pool import Scratch, ThreadPool, split
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.ops.protocol import (
    Expert,
    ExpertChoice,
    HeadNorms,
    Joining,
    KVLayer,
    LinearWeights,
    RmsNorm,
)
from forge_worker.rotary import Rotation, rotate, rotation
from forge_worker.weights.stored_tensor import StoredTensor, widen

MAX_COLUMN_ORDER_ROWS = 64
ROWS_PER_SLAB = 128
VOCABULARY_PER_SLAB = 1024
MIN_PRODUCTS_PER_THREAD = 2**20  # below, waking a thread costs more than it does


class NumpyStep:
    """One step's inputs and what all layers share; a plan for each distinct window."""

    def __init__(self, inputs: ForwardInputs, config: ModelConfig, block_size: int) -> None:
        self.inputs = inputs
        self.config = config
        self.num_heads = config.num_heads
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.rotations: dict[Rope, Rotation] = {
            rope: rotation(rope, config.head_dim, inputs.positions)
            for rope in config.distinct_ropes
        }
        self.plans: dict[int | None, AttentionPlan] = {
            window: plan_attention(inputs, block_size, window)
            for window in set(config.sliding_windows)
        }


class NumpyOps:
    keeps_blocks = False

    def __init__(self, num_threads: int = 1) -> None:
        self._pool = ThreadPool(num_threads)

    def place(self, parts: Sequence[StoredTensor]) -> FloatArray:
        num_rows = sum(len(part.array) for part in parts)
        joined = np.empty((num_rows, *parts[0].shape[1:]), np.float32)
        row = 0
        for part in parts:
            widen(part, joined[row : row + len(part.array)])
            row += len(part.array)
        return joined

    def place_router(self, weight: StoredTensor) -> FloatArray:
        return self.place([weight])

    def place_blocks(self, parts: Sequence[StoredTensor]) -> FloatArray:
        return self.place(parts)

    def place_norm(self, weight: StoredTensor) -> FloatArray:
        return self.place([weight])

    def kv_layer(self, num_blocks: int, block_size: int, config: ModelConfig) -> KVLayer:
        shape = (num_blocks, block_size, config.num_kv_heads, config.head_dim)
        return KVLayer(np.zeros(shape, np.float32), np.zeros(shape, np.float32))

    def scrub(self, kv_layer: KVLayer, block_ids: Sequence[int]) -> None:
        """Attention weighs what it must not see with 0, and 0 · NaN is NaN."""
        ids = list(block_ids)
        for cached in kv_layer:
            cached[ids] = np.where(np.isfinite(cached[ids]), cached[ids], 0)

    def begin_step(self, inputs: ForwardInputs, config: ModelConfig, block_size: int) -> NumpyStep:
        return NumpyStep(inputs, config, block_size)

    def embed(self, table: FloatArray, step: NumpyStep) -> FloatArray:
        rows: FloatArray = table.take(step.inputs.token_ids, axis=0)
        if step.config.embedding_scale != 1.0:
            rows *= np.float32(step.config.embedding_scale)
        return rows

    def norm_linear(
        self, residual: FloatArray, norm: RmsNorm | None, weights: LinearWeights
    ) -> FloatArray:
        return self._linear(self._normed(residual, norm), weights)

    def norm_gated(
        self,
        residual: FloatArray,
        norm: RmsNorm | None,
        gate_up: LinearWeights,
        activation: Activation,
    ) -> FloatArray:
        return self._gated(self._normed(residual, norm), gate_up, activation)

    def add_linear(
        self, residual: FloatArray, x: FloatArray, weights: LinearWeights, joining: Joining
    ) -> None:
        self.add(residual, self._linear(x, weights), joining)

    def norm_experts(
        self,
        residual: FloatArray,
        norm: RmsNorm | None,
        choice: ExpertChoice,
        experts: Sequence[Expert],
        activation: Activation,
    ) -> FloatArray:
        normed = self._normed(residual, norm)
        router = LinearWeights(choice.router, None)
        mixed = np.zeros(residual.shape, np.float32)
        for index, rows, weights in by_expert(self._linear(normed, router), choice):
            gated = self._gated(normed[rows], experts[index].gate_up, activation)
            mixed[rows] += self._linear(gated, experts[index].down) * weights[:, None]
        return mixed

    def add(self, residual: FloatArray, x: FloatArray, joining: Joining) -> None:
        joined = self._normed(x, joining.norm)
        scale = np.float32(joining.scale)

        def add(rows: slice) -> None:
            residual[rows] += joined[rows] if scale == 1 else joined[rows] * scale

        self._by_slab(len(residual), add)

    def clear(self, residual: FloatArray) -> None:
        residual.fill(0)

    def centre(self, residual: FloatArray) -> None:
        residual -= residual.mean(axis=1, keepdims=True)

    def rotate_and_store(
        self,
        qkv: FloatArray,
        norms: HeadNorms | None,
        rope: Rope,
        step: NumpyStep,
        kv_layer: KVLayer,
    ) -> FloatArray:
        first_value = step.num_heads + step.num_kv_heads
        heads = np.ascontiguousarray(qkv).reshape(len(qkv), -1, step.head_dim)
        query, key = heads[:, : step.num_heads], heads[:, step.num_heads : first_value]
        turns = step.rotations[rope]

        def finish(rows: slice) -> None:
            if norms is not None:
                _norm_heads(query[rows], norms.query, norms.eps)
                _norm_heads(key[rows], norms.key, norms.eps)
            rotate(heads[rows, :first_value], turns, rows)
            slots = step.inputs.slot_mapping[rows]
            _by_slot(kv_layer.keys)[slots] = key[rows]
            _by_slot(kv_layer.values)[slots] = heads[rows, first_value:]

        self._by_slab(len(heads), finish)
        return query

    def attention(
        self, query: FloatArray, step: NumpyStep, kv_layer: KVLayer, window: int | None
    ) -> FloatArray:
        num_tokens, num_heads, head_dim = query.shape
        grouped = query.reshape(num_tokens, step.num_kv_heads, -1, head_dim)
        config = step.config
        scaled = grouped * np.float32(config.attention_scale or 1 / math.sqrt(head_dim))
        attended = attend(
            scaled, kv_layer, step.plans[window], config.attention_softcap, self._pool
        )
        return attended.reshape(num_tokens, num_heads * head_dim)

    def final_norm(self, residual: FloatArray, norm: RmsNorm, step: NumpyStep) -> FloatArray:
        return self._normed(residual[step.inputs.logit_rows], norm)

    def logits(self, x: FloatArray, weight: FloatArray, softcap: float | None) -> FloatArray:
        logits = np.empty((len(x), len(weight)), np.float32)

        def multiply(part: slice, scratch: Scratch) -> None:
            product = scratch.take("logits", (part.stop - part.start, len(x)))
            np.matmul(weight[part], x.T, out=product)
            bend(product, softcap)
            logits[:, part] = product.T

        num_parts = -(-len(weight) // VOCABULARY_PER_SLAB)
        self._pool.run([partial(multiply, part) for part in split(len(weight), num_parts, 16)])
        return logits

    def _gated(self, x: FloatArray, gate_up: LinearWeights, activation: Activation) -> FloatArray:
        joined = self._linear(x, gate_up)
        width = joined.shape[1] // 2
        gate, up = joined[:, :width], joined[:, width:]
        act_mul = ACTIVATIONS[activation]
        self._by_slab(len(joined), lambda rows: act_mul(gate[rows], up[rows]))
        return up

    def _normed(self, x: FloatArray, norm: RmsNorm | None) -> FloatArray:
        if norm is None:
            return x
        normed = np.empty_like(x)
        self._by_slab(len(x), lambda rows: _rms_norm(x[rows], norm.weight, norm.eps, normed[rows]))
        return normed

    def _linear(self, x: FloatArray, weights: LinearWeights) -> FloatArray:
        """[T, out_features], in column order where T is small."""
        weight, bias = weights
        shape = (len(weight), len(x))
        is_small = len(x) <= MAX_COLUMN_ORDER_ROWS
        product = np.empty(shape, np.float32).T if is_small else np.empty(shape[::-1], np.float32)

        def multiply(part: slice, _: Scratch) -> None:
            if is_small:
                np.matmul(weight[part], x.T, out=product.T[part])
            else:
                np.matmul(x, weight[part].T, out=product[:, part])
            if bias is not None:
                product[:, part] += bias[part]

        num_parts = min(self._pool.num_threads, 1 + x.size * len(weight) // MIN_PRODUCTS_PER_THREAD)
        self._pool.run([partial(multiply, part) for part in split(len(weight), num_parts, 16)])
        return product

    def _by_slab(self, num_rows: int, work: Callable[[slice], None]) -> None:
        """Do `work` on slabs of rows; on all at once where they are few."""
        if num_rows <= MAX_COLUMN_ORDER_ROWS:
            work(slice(0, num_rows))
            return

        def task(rows: slice, _: Scratch) -> None:
            work(rows)

        slabs = split(num_rows, -(-num_rows // ROWS_PER_SLAB))
        self._pool.run([partial(task, rows) for rows in slabs])


def _by_slot(cached: FloatArray) -> FloatArray:
    return cached.reshape(-1, *cached.shape[2:])


def _rms_norm(x: FloatArray, weight: FloatArray, eps: float, out: FloatArray) -> None:
    mean_square = np.einsum("...d,...d->...", x, x) / np.float32(x.shape[-1])
    np.multiply(x, (1 / np.sqrt(mean_square + np.float32(eps)))[..., None], out=out)
    out *= weight


def _norm_heads(heads: FloatArray, weight: FloatArray, eps: float) -> None:
    """In place, of `heads` [rows, n, head_dim]: over each, or over all if the weight is as wide."""
    groups = heads.reshape(len(heads), -1, len(weight))  # a copy where heads are one group
    _rms_norm(groups, weight, eps, groups)
    heads[...] = groups.reshape(heads.shape)
