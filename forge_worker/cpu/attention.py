"""Attention over gathered blocks, in pieces that threads can share and caches can hold.

Shapes: n queries, L keys, KV heads h, G queries a KV head, head_dim d. Scores are at most
SCORES_PER_PIECE numbers at a time. Knows plans and cached arrays, not models.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cpu.activations import bend
from forge_worker.cpu.attention_plan import AttentionPlan, Chunk, ChunkTile, DecodeGroup
from forge_worker.cpu.thread_pool import Scratch, Task, ThreadPool
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import KVLayer

SCORES_PER_PIECE = 2**17
LOWEST = np.float32(-1e30)  # finite, so that a piece without visible keys weighs exp(-1e30) = 0


class Queries(NamedTuple):
    scaled: FloatArray  # [n, h, G, d]
    softcap: float | None  # of their scores


class Partial(NamedTuple):
    """What queries attend to among some of their keys, to be divided once all are known."""

    attended: FloatArray  # [n, h, G, d]: values weighted by exp(score - highest)
    sums: FloatArray  # [n, h, G, 1] of the weights
    highest: FloatArray  # [n, h, G, 1]


def attend(
    query: FloatArray,
    kv_layer: KVLayer,
    plan: AttentionPlan,
    softcap: float | None,
    pool: ThreadPool,
) -> FloatArray:
    """query, already scaled, and the result: [T, h, G, d]."""
    out = np.empty_like(query)
    kv = KVLayer(*(_by_granule(cached, plan.granule) for cached in kv_layer))
    singles = [_Singles(query, kv, group, softcap) for group in plan.decode_groups]
    tasks = [task for group in singles for task in group.tasks()]
    for chunk in plan.chunks:
        tasks += _chunk_tasks(Queries(query, softcap), kv, chunk, out)
    pool.run(tasks)
    for group in singles:
        out[group.rows] = group.merged()
    return out


class _Singles:
    """One token of each of several sequences, [n, h, G, d], piece of keys by piece."""

    def __init__(
        self, query: FloatArray, kv: KVLayer, group: DecodeGroup, softcap: float | None
    ) -> None:
        self.rows = group.rows
        self._pieces = group.pieces
        self._query = query
        self._kv = kv
        self._softcap = softcap
        self._partials: dict[int, Partial] = {}

    def tasks(self) -> list[Task]:
        return [partial(self._attend, index) for index in range(len(self._pieces))]

    def merged(self) -> FloatArray:
        """The order of the pieces, not that of the threads, decides how sums are rounded."""
        partials = [self._partials[index] for index in range(len(self._pieces))]
        if len(partials) == 1:
            return partials[0].attended / partials[0].sums
        highest = np.maximum.reduce([part.highest for part in partials])
        scales = [np.exp(part.highest - highest) for part in partials]
        weighted = list(zip(partials, scales, strict=True))
        attended = np.add.reduce([part.attended * scale for part, scale in weighted])
        result: FloatArray = attended / np.add.reduce([part.sums * s for part, s in weighted])
        return result

    def _attend(self, index: int, scratch: Scratch) -> None:
        granules, mask = self._pieces[index]
        keys = _gather(self._kv.keys, granules, scratch).transpose(0, 2, 3, 1)  # [n, h, d, L]
        scores = np.matmul(self._query[self.rows], keys)
        bend(scores, self._softcap)
        scores += mask[:, None, None]
        highest = _exponentiate(scores)
        values = _gather(self._kv.values, granules, scratch).transpose(0, 2, 1, 3)
        self._partials[index] = Partial(np.matmul(scores, values), _sums(scores), highest)


def _chunk_tasks(queries: Queries, kv: KVLayer, chunk: Chunk, out: FloatArray) -> list[Task]:
    """The longest pieces first, so that threads end together."""
    keys, values = (_gather(cached, chunk.granules, Scratch()) for cached in kv)
    query, softcap = queries
    num_kv_heads, num_groups = query.shape[1:3]
    tasks: list[Task] = []
    for tile in reversed(chunk.tiles):
        num_scores = tile.mask.shape[0] * (tile.keys.stop - tile.keys.start) * num_groups
        num_heads = max(1, SCORES_PER_PIECE // num_scores)
        for head in range(0, num_kv_heads, num_heads):
            heads = slice(head, head + num_heads)
            piece = KVLayer(keys[tile.keys, heads], values[tile.keys, heads])
            part = Queries(query[tile.rows, heads], softcap)
            tasks.append(partial(_attend_tile, part, out[tile.rows, heads], piece, tile))
    return tasks


def _attend_tile(
    queries: Queries, out: FloatArray, kv: KVLayer, tile: ChunkTile, scratch: Scratch
) -> None:
    """Neighbouring queries [n, h, G, d] of one sequence against its [L, h, d]."""
    query = queries.scaled
    num_queries, num_kv_heads, num_groups, _ = query.shape
    scores = scratch.take("scores", (num_kv_heads, num_groups, num_queries, len(kv.keys)))
    np.matmul(query.transpose(1, 2, 0, 3), kv.keys.transpose(1, 2, 0)[:, None], out=scores)
    bend(scores, queries.softcap)
    scores[..., tile.masked] += tile.mask
    _exponentiate(scores)
    attended = np.matmul(scores, kv.values.transpose(1, 0, 2)[:, None])
    attended /= _sums(scores)
    out[...] = attended.transpose(2, 0, 1, 3)


def _exponentiate(scores: FloatArray) -> FloatArray:
    """exp(score - highest of its row) in place; returns the highest. Dividing by the sums is left
    for what is attended, which is less work than dividing the weights."""
    highest: FloatArray = np.maximum(scores.max(axis=-1, keepdims=True), LOWEST)
    scores -= highest
    np.exp(scores, out=scores)
    return highest


def _sums(weights: FloatArray) -> FloatArray:
    """Over the last axis: a product with ones is several times faster than a sum."""
    sums: FloatArray = np.matmul(weights, np.ones((weights.shape[-1], 1), np.float32))
    return sums


def _gather(cached: FloatArray, granules: npt.NDArray[np.int64], scratch: Scratch) -> FloatArray:
    """Cached tokens of the named granules: [..., L, h, d]."""
    tokens = scratch.take("gathered", (*granules.shape, *cached.shape[1:]))
    cached.take(granules, axis=0, out=tokens, mode="clip")  # "raise" would copy once more
    return tokens.reshape(*granules.shape[:-1], -1, *cached.shape[2:])


def _by_granule(cached: FloatArray, granule: int) -> FloatArray:
    return cached.reshape(-1, granule, *cached.shape[2:])
