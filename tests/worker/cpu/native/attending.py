"""Runs the kernels of rotation and attention on batches whose keys, values and queries are known.

The cache begins full of NaN where no test wrote, so that whatever is read and must not be shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.rope_scaling import Rope
from forge_common.instruction_set import InstructionSet, instruction_set
from forge_worker.cpu.native.attention import (
    AttentionKernels,
    AttentionShape,
    NativeAttention,
    compile_attention,
)
from forge_worker.cpu.native.kv_layout import KV_FORMATS, LANES, KVFormatName, KVLayout
from forge_worker.cpu.native.pool import Launches, NativePool
from forge_worker.cpu.native.rotation_table import RotationRows
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import HeadNorms, KVLayer
from forge_worker.rotary import Rotation
from tests.worker.forward import Work, make_inputs
from tests.worker.fp8_numbers import fp8_values

ROPE = Rope(10000.0, None, 0)  # only a name: tests say how far anything is rotated
WIDE = instruction_set("avx512", frozenset())
NARROW = instruction_set("avx2", frozenset())


class Heads(NamedTuple):
    num_kv_heads: int
    group_size: int
    head_dim: int

    @property
    def num_heads(self) -> int:
        return self.num_kv_heads * self.group_size

    @property
    def width(self) -> int:
        """Of a row of joined q|k|v."""
        return (self.num_heads + 2 * self.num_kv_heads) * self.head_dim


class Kind(NamedTuple):
    """What a kernel is compiled for."""

    format: KVFormatName = "bfloat16"
    instructions: InstructionSet = WIDE
    has_cap: bool = False


BFLOATS = Kind()
SCORE_CAP = 0.5


@cache
def kernels(kind: Kind) -> AttentionKernels:
    layout = KVLayout(KV_FORMATS[kind.format], 16, 1, 8)
    cap = 1.0 if kind.has_cap else None
    return compile_attention(AttentionShape(1, layout, 1.0, cap), kind.instructions)


class Attending:
    """One layer of a model, and its cache."""

    def __init__(
        self,
        heads: Heads,
        kind: Kind = BFLOATS,
        block_size: int = 16,
        num_blocks: int = 64,
        num_threads: int = 1,
    ) -> None:
        self.heads = heads
        self.block_size = block_size
        self.num_blocks = num_blocks
        sizes = block_size, heads.num_kv_heads, heads.head_dim
        self.layout = KVLayout(KV_FORMATS[kind.format], *sizes)
        self.cache = self.layout.allocate(num_blocks)
        self.scale = heads.head_dim**-0.5
        self.score_cap = SCORE_CAP if kind.has_cap else None
        shape = AttentionShape(heads.num_heads, self.layout, self.scale, self.score_cap)
        self.native = NativeAttention(shape, kernels(kind))
        self.pool = NativePool(num_threads, shape.scratch_bytes)

    def run(
        self,
        works: Sequence[Work],
        qkv: FloatArray,
        window: int | None = None,
        norms: HeadNorms | None = None,
        rotation: Rotation | None = None,
    ) -> FloatArray:
        """Attended rows of joined q|k|v, which are overwritten; unrotated by default."""
        inputs = make_inputs(works, self.block_size)
        out = np.full((len(qkv), self.heads.num_heads * self.heads.head_dim), 7, np.float32)
        turned = rotation or no_rotation(len(qkv), self.heads.head_dim)
        every_row = np.arange(len(qkv), dtype=np.int32)
        self.native.prepare(inputs, {ROPE: RotationRows(turned, every_row)}, [window])
        rotate = self.native.rotate_and_store(qkv, norms, ROPE, self.cache)
        attend = self.native.attention(qkv, out, self.cache, window)
        self.pool.run_all(Launches([rotate, attend]))
        return out

    def grow(self, num_blocks: int) -> None:
        """A new cache."""
        self.num_blocks = num_blocks
        self.cache = self.layout.allocate(num_blocks)

    def stored(self, works: Sequence[Work]) -> list[KVLayer]:
        """Keys and values of each sequence as float32 [context_len, num_kv_heads, head_dim]."""
        return [self._stored(work) for work in works]

    def _stored(self, work: Work) -> KVLayer:
        positions = np.arange(work.context_len)
        blocks = np.array(work.block_table)[positions // self.block_size]
        places = positions % self.block_size
        groups, lanes = places // LANES, places % LANES
        keys, values = self.cache
        if self.layout.format.has_scales:
            with np.errstate(invalid="ignore"):  # scales that are not finite
                keys = self._unscaled(keys, is_keys=True)
                values = self._unscaled(values, is_keys=False)
        return KVLayer(
            _widened(keys[blocks, :, groups, :, lanes]), _widened(values[blocks, :, groups, lanes])
        )

    def _unscaled(self, groups: np.ndarray, is_keys: bool) -> FloatArray:
        numbers_bytes = LANES * self.heads.head_dim
        scales = groups[..., numbers_bytes:].copy().view(np.float32)
        numbers = self._numbers(groups[..., :numbers_bytes])
        if is_keys:
            shape = (*groups.shape[:3], self.heads.head_dim, LANES)
            return numbers.reshape(shape) * scales[..., None, :]
        return numbers.reshape(*groups.shape[:3], LANES, -1) * scales[..., :, None]

    def _numbers(self, stored: np.ndarray) -> FloatArray:
        """Of bytes; those of FP8 are read as 1/256 of what they are elsewhere."""
        is_fp8 = self.layout.format.name == "fp8"
        return fp8_values(stored) * np.float32(2**-8) if is_fp8 else stored.astype(np.float32)


def no_rotation(num_tokens: int, head_dim: int) -> Rotation:
    shape = (num_tokens, head_dim)
    return Rotation(np.ones(shape, np.float32), np.zeros(shape, np.float32))


def random(*shape: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng((seed, len(shape))).standard_normal(shape).astype(np.float32)


def make_works(lengths: Sequence[tuple[int, int]], block_size: int, num_blocks: int) -> list[Work]:
    """Of (tokens that already ran, tokens to run), on blocks in a shuffled order."""
    free = np.random.default_rng(1).permutation(num_blocks).tolist()
    return [
        Work([0] * run, computed, [free.pop() for _ in range(-(-(computed + run) // block_size))])
        for computed, run in lengths
    ]


def _widened(numbers: np.ndarray) -> FloatArray:
    if numbers.dtype == np.uint16:
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    return numbers.astype(np.float32)


def poison(cache: KVLayer) -> None:
    """Every number, or the scale of every number, becomes NaN."""
    for cached in cache:
        if cached.dtype == np.uint16:
            cached.fill(0x7FC0)
        elif cached.itemsize == 1:
            cached[..., -4 * LANES :] = np.full(LANES, np.nan, np.float32).view(cached.dtype)
        else:
            cached.fill(np.nan)
