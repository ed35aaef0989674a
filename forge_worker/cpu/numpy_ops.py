"""NumpyOps: the reference of every operation, in float32.

Written for clarity first, and vectorised over the batch. Small batches keep their activations in
column order: OpenBLAS multiplies W·xᵀ a third faster than x·Wᵀ there, and the transposed result is
the next product's operand as it is. Knows nothing of models; holds no state.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint import ModelConfig
from forge_worker.cpu.attention_plan import AttentionPlan, Chunk, DecodeGroup, plan_attention
from forge_worker.cpu.rotary import Rotation, rotation
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.ops.protocol import HeadNorms, KVLayer, LinearWeights

MAX_COLUMN_ORDER_ROWS = 64


class NumpyStep:
    """One step's inputs and what all layers share; a plan for each distinct window."""

    def __init__(self, inputs: ForwardInputs, config: ModelConfig, block_size: int) -> None:
        self.inputs = inputs
        self.num_heads = config.num_heads
        self.num_kv_heads = config.num_kv_heads
        self.head_dim = config.head_dim
        self.rotation: Rotation = rotation(config, inputs.positions)
        self.plans: dict[int | None, AttentionPlan] = {
            window: plan_attention(inputs, block_size, window)
            for window in set(config.sliding_windows)
        }


class NumpyOps:
    def place(self, weight: npt.NDArray[np.float32]) -> FloatArray:
        return weight

    def zeros(self, shape: tuple[int, ...]) -> FloatArray:
        return np.zeros(shape, np.float32)

    def begin_step(self, inputs: ForwardInputs, config: ModelConfig, block_size: int) -> NumpyStep:
        return NumpyStep(inputs, config, block_size)

    def embed(self, table: FloatArray, step: NumpyStep) -> FloatArray:
        rows: FloatArray = table.take(step.inputs.token_ids, axis=0)
        return rows

    def add_rms_norm(
        self, x: FloatArray | None, residual: FloatArray, weight: FloatArray, eps: float
    ) -> FloatArray:
        if x is not None:
            residual += x
        return _rms_norm(residual, weight, eps)

    def linear(self, x: FloatArray, weights: LinearWeights) -> FloatArray:
        if len(x) <= MAX_COLUMN_ORDER_ROWS:
            product: FloatArray = np.matmul(weights.weight, x.T).T
        else:
            product = np.matmul(x, weights.weight.T)
        if weights.bias is not None:
            product += weights.bias
        return product

    def rotate_and_store(
        self, qkv: FloatArray, norms: HeadNorms | None, step: NumpyStep, kv_layer: KVLayer
    ) -> FloatArray:
        num_rotated = step.num_heads + step.num_kv_heads
        heads = np.ascontiguousarray(qkv).reshape(len(qkv), -1, step.head_dim)
        if norms is not None:
            query, key = heads[:, : step.num_heads], heads[:, step.num_heads : num_rotated]
            query[...] = _rms_norm(query, norms.query, norms.eps)
            key[...] = _rms_norm(key, norms.key, norms.eps)
        _rotate(heads[:, :num_rotated], step.rotation)
        slots = step.inputs.slot_mapping
        _by_slot(kv_layer.keys)[slots] = heads[:, step.num_heads : num_rotated]
        _by_slot(kv_layer.values)[slots] = heads[:, num_rotated:]
        return heads[:, : step.num_heads]

    def attention(
        self, query: FloatArray, step: NumpyStep, kv_layer: KVLayer, window: int | None
    ) -> FloatArray:
        plan = step.plans[window]
        num_tokens, num_heads, head_dim = query.shape
        grouped = query.reshape(num_tokens, step.num_kv_heads, -1, head_dim)
        grouped = grouped * np.float32(1 / math.sqrt(head_dim))
        out = np.empty_like(grouped)
        granules = KVLayer(*(_by_granule(cached, plan.granule) for cached in kv_layer))
        for group in plan.decode_groups:
            out[group.rows] = _attend_singles(grouped[group.rows], granules, group)
        for chunk in plan.chunks:
            _attend_chunk(grouped, granules, chunk, out)
        return out.reshape(num_tokens, num_heads * head_dim)

    def silu_mul(self, gate_up: FloatArray) -> FloatArray:
        width = gate_up.shape[1] // 2
        gate, up = gate_up[:, :width], gate_up[:, width:]
        up *= gate
        np.negative(gate, out=gate)
        with np.errstate(over="ignore"):  # exp(-gate) = inf: silu is 0, as it should be
            np.exp(gate, out=gate)
        gate += 1
        up /= gate
        return up

    def logit_rows(self, x: FloatArray, step: NumpyStep) -> FloatArray:
        rows: FloatArray = x[step.inputs.logit_rows]
        return rows

    def logits(self, x: FloatArray, weight: FloatArray) -> FloatArray:
        product: FloatArray = np.matmul(x, weight.T)
        return product


def _by_slot(cached: FloatArray) -> FloatArray:
    return cached.reshape(-1, *cached.shape[2:])


def _by_granule(cached: FloatArray, granule: int) -> FloatArray:
    return cached.reshape(-1, granule, *cached.shape[2:])


def _rms_norm(x: FloatArray, weight: FloatArray, eps: float) -> FloatArray:
    mean_square = np.einsum("...d,...d->...", x, x) / np.float32(x.shape[-1])
    normed: FloatArray = x * (1 / np.sqrt(mean_square + np.float32(eps)))[..., None]
    normed *= weight
    return normed


def _rotate(heads: FloatArray, rotation: Rotation) -> None:
    """Rotate the pairs (i, i + head_dim / 2) of every head in place: heads [T, n, head_dim]."""
    half = heads.shape[-1] // 2
    cos, sin = rotation.cos[:, None], rotation.sin[:, None]
    first, second = heads[..., :half].copy(), heads[..., half:]
    heads[..., :half] = first * cos - second * sin
    heads[..., half:] = second * cos + first * sin


def _softmax(scores: FloatArray) -> FloatArray:
    """In place, over the last axis."""
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    return scores


def _gather(cached: FloatArray, granules: npt.NDArray[np.int64]) -> FloatArray:
    """Cached tokens of the named granules: [..., tokens, num_kv_heads, head_dim]."""
    tokens = cached.take(granules, axis=0)
    return tokens.reshape(*granules.shape[:-1], -1, *cached.shape[2:])


def _attend_singles(query: FloatArray, kv: KVLayer, group: DecodeGroup) -> FloatArray:
    """query [n, num_kv_heads, queries_per_kv, head_dim], one token of each sequence."""
    keys = _gather(kv.keys, group.granules).transpose(0, 2, 3, 1)  # [n, kv_heads, head_dim, L]
    scores = np.matmul(query, keys)
    scores += group.mask[:, None, None]
    values = _gather(kv.values, group.granules).transpose(0, 2, 1, 3)
    attended: FloatArray = np.matmul(_softmax(scores), values)
    return attended


def _attend_chunk(query: FloatArray, kv: KVLayer, chunk: Chunk, out: FloatArray) -> None:
    """query and out [T, num_kv_heads, queries_per_kv, head_dim]; only the chunk's rows are used."""
    keys = _gather(kv.keys, chunk.granules).transpose(1, 2, 0)  # [kv_heads, head_dim, L]
    values = _gather(kv.values, chunk.granules).transpose(1, 0, 2)
    for tile in chunk.tiles:
        of_tile = query[tile.rows].transpose(1, 2, 0, 3)  # [kv_heads, queries_per_kv, n, head_dim]
        scores = np.matmul(of_tile, keys[:, None, :, tile.keys])
        scores += tile.mask
        attended = np.matmul(_softmax(scores), values[:, None, tile.keys])
        out[tile.rows] = attended.transpose(2, 0, 1, 3)
