"""Attention over gathered blocks, in pieces that threads can share and caches can hold.

Shapes: n queries, L keys, KV heads h, G queries a KV head, head_dim d. Scores are at most
SCORES_PER_PIECE numbers at a time. Knows plans and cached arrays, not models.
"""

from __future__ import annotations

from functools import partial
from itertools import chain

import numpy as np
import numpy.typing as npt

from forge_worker.cpu.attention_plan import AttentionPlan, Chunk, ChunkTile, DecodeGroup
from forge_worker.cpu.thread_pool import Scratch, Task, ThreadPool
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import KVLayer

SCORES_PER_PIECE = 2**17


def attend(
    query: FloatArray, kv_layer: KVLayer, plan: AttentionPlan, pool: ThreadPool
) -> FloatArray:
    """query, already scaled, and the result: [T, h, G, d]."""
    out = np.empty_like(query)
    kv = KVLayer(*(_by_granule(cached, plan.granule) for cached in kv_layer))
    singles = [partial(_attend_singles, query, kv, group, out) for group in plan.decode_groups]
    pieces = chain.from_iterable(_chunk_tasks(query, kv, chunk, out) for chunk in plan.chunks)
    pool.run([*singles, *pieces])
    return out


def _attend_singles(
    query: FloatArray, kv: KVLayer, group: DecodeGroup, out: FloatArray, scratch: Scratch
) -> None:
    """One token of each of several sequences, [n, h, G, d] against [n, L, h, d]."""
    keys = _gather(kv.keys, group.granules, scratch).transpose(0, 2, 3, 1)
    scores = np.matmul(query[group.rows], keys)
    scores += group.mask[:, None, None]
    sums = _exponentiate(scores)
    values = _gather(kv.values, group.granules, scratch).transpose(0, 2, 1, 3)
    attended = np.matmul(scores, values)
    attended /= sums
    out[group.rows] = attended


def _chunk_tasks(query: FloatArray, kv: KVLayer, chunk: Chunk, out: FloatArray) -> list[Task]:
    """The longest pieces first, so that threads end together."""
    keys, values = (_gather(cached, chunk.granules, Scratch()) for cached in kv)
    num_kv_heads, num_groups = query.shape[1:3]
    tasks: list[Task] = []
    for tile in reversed(chunk.tiles):
        num_scores = tile.mask.shape[0] * (tile.keys.stop - tile.keys.start) * num_groups
        num_heads = max(1, SCORES_PER_PIECE // num_scores)
        for head in range(0, num_kv_heads, num_heads):
            heads = slice(head, head + num_heads)
            piece = KVLayer(keys[tile.keys, heads], values[tile.keys, heads])
            part = query[tile.rows, heads], out[tile.rows, heads]
            tasks.append(partial(_attend_tile, *part, piece, tile))
    return tasks


def _attend_tile(
    query: FloatArray, out: FloatArray, kv: KVLayer, tile: ChunkTile, scratch: Scratch
) -> None:
    """Neighbouring queries [n, h, G, d] of one sequence against its [L, h, d]."""
    num_queries, num_kv_heads, num_groups, _ = query.shape
    scores = scratch.take("scores", (num_kv_heads, num_groups, num_queries, len(kv.keys)))
    np.matmul(query.transpose(1, 2, 0, 3), kv.keys.transpose(1, 2, 0)[:, None], out=scores)
    scores[..., tile.masked] += tile.mask
    sums = _exponentiate(scores)
    attended = np.matmul(scores, kv.values.transpose(1, 0, 2)[:, None])
    attended /= sums
    out[...] = attended.transpose(2, 0, 1, 3)


def _exponentiate(scores: FloatArray) -> FloatArray:
    """Softmax over the last axis in place, but for the division by the sums it returns.

    Dividing what is attended is less work. A product with ones sums several times faster than sum.
    """
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    sums: FloatArray = np.matmul(scores, np.ones((scores.shape[-1], 1), np.float32))
    return sums


def _gather(cached: FloatArray, granules: npt.NDArray[np.int64], scratch: Scratch) -> FloatArray:
    """Cached tokens of the named granules: [..., L, h, d]."""
    tokens = scratch.take("gathered", (*granules.shape, *cached.shape[1:]))
    cached.take(granules, axis=0, out=tokens, mode="clip")  # "raise" would copy once more
    return tokens.reshape(*granules.shape[:-1], -1, *cached.shape[2:])


def _by_granule(cached: FloatArray, granule: int) -> FloatArray:
    return cached.reshape(-1, granule, *cached.shape[2:])
