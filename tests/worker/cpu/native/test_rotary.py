"""Rotation, norms of heads, and what is stored in the cache, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.checkpoint.rope_scaling import Rope
from forge_common.kv_format import KVFormatName
from forge_worker.forward_inputs import FloatArray, IntArray
from forge_worker.ops.protocol import HeadNorms, KVLayer
from forge_worker.rotary import Rotation, rotate, rotation
from tests.worker.cpu.native.attending import (
    Attending,
    Heads,
    Kind,
    make_works,
    poison,
    random,
)
from tests.worker.forward import make_inputs
from tests.worker.fp8_numbers import fp8_codes, fp8_values

LENGTHS = [(3, 5), (0, 17), (31, 1), (70, 2)]
NUM_TOKENS = 25
NUM_BLOCKS = 160
EPS = 1e-5


class Stored:
    """A batch that was rotated and stored."""

    def __init__(
        self,
        heads: Heads,
        kind: Kind,
        block_size: int = 16,
        norms: HeadNorms | None = None,
        qkv: FloatArray | None = None,
    ) -> None:
        self.layer = Attending(heads, kind, block_size, NUM_BLOCKS)
        poison(self.layer.cache)
        self.works = make_works(LENGTHS, block_size, NUM_BLOCKS)
        self.qkv = random(NUM_TOKENS, heads.width) if qkv is None else qkv
        positions = make_inputs(self.works, block_size).positions
        self.rotation = turned_by(heads.head_dim, positions)
        self.rotated = self.qkv.copy().reshape(NUM_TOKENS, -1, heads.head_dim)
        self.layer.run(self.works, self.rotated.reshape(NUM_TOKENS, -1), None, norms, self.rotation)

    @property
    def new(self) -> KVLayer:
        """Stored keys and values of the step's tokens [T, num_kv_heads, head_dim]."""
        ends = [work.num_computed for work in self.works]
        kept = zip(self.layer.stored(self.works), ends, strict=True)
        pairs = [(kv.keys[end:], kv.values[end:]) for kv, end in kept]
        return KVLayer(*(np.concatenate(parts) for parts in zip(*pairs, strict=True)))


def turned_by(num_dims: int, positions: IntArray) -> Rotation:
    return rotation(Rope(10000.0, None, num_dims), num_dims, positions)


def rounded(x: FloatArray) -> FloatArray:
    """To the nearest bfloat16, ties to even."""
    bits = x.view(np.uint32)
    upper = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return upper.view(np.float32)


@pytest.mark.parametrize("heads", [Heads(1, 1, 8), Heads(2, 3, 64), Heads(2, 2, 72)])
@pytest.mark.parametrize("block_size", [1, 8, 16, 24, 1000])
def test_heads_are_rotated_and_stored_as_numpy_does_it(heads: Heads, block_size: int) -> None:
    stored = Stored(heads, Kind("float32"), block_size)
    expected = stored.qkv.reshape(NUM_TOKENS, -1, heads.head_dim)
    first_value = heads.num_heads + heads.num_kv_heads
    rotate(expected[:, :first_value], stored.rotation, slice(None))
    assert (stored.rotated[:, :first_value] == expected[:, :first_value]).all()
    assert (stored.new.keys == expected[:, heads.num_heads : first_value]).all()
    assert (stored.new.values == expected[:, first_value:]).all()


def test_bfloats_are_rounded_to_nearest() -> None:
    heads = Heads(2, 1, 40)
    exact, stored = (Stored(heads, Kind(name)).new for name in ("float32", "bfloat16"))
    assert (stored.keys == rounded(exact.keys)).all()
    assert (stored.values == rounded(exact.values)).all()


def test_bytes_are_off_by_half_a_step_of_their_row() -> None:
    heads = Heads(2, 1, 40)
    exact, stored = (Stored(heads, Kind(name)).new for name in ("float32", "int8"))
    for row, other in zip(exact, stored, strict=True):
        step = np.abs(row).max(axis=-1, keepdims=True) / 127
        assert (np.abs(row - other) <= step * 0.501).all()
        assert np.abs(other).max(axis=-1) == pytest.approx(np.abs(row).max(axis=-1))


def test_fp8_is_rounded_to_nearest_of_what_its_scale_allows() -> None:
    """Keys and values over many octaves, so that numbers below the normal ones are among them."""
    heads = Heads(2, 1, 40)
    qkv = random(NUM_TOKENS, heads.width)
    qkv *= np.exp2(-18 * np.random.default_rng(4).random(qkv.shape)).astype(np.float32)
    exact, stored = (Stored(heads, Kind(name), qkv=qkv).new for name in ("float32", "fp8"))
    for row, other in zip(exact, stored, strict=True):
        largest = np.abs(row).max(axis=-1, keepdims=True)
        codes = fp8_codes(row * (np.float32(1.75) / largest) * 256)
        expected = fp8_values(codes) / 256 * (largest / np.float32(1.75))
        np.testing.assert_allclose(other, expected, rtol=2e-7)
        assert ((codes & 0x78) == 0).any()


@pytest.mark.parametrize("name", ["int8", "fp8"])
def test_row_of_zeros_is_stored_as_zeros_in_bytes(name: KVFormatName) -> None:
    heads = Heads(1, 1, 16)
    stored = Stored(heads, Kind(name), qkv=np.zeros((NUM_TOKENS, heads.width), np.float32))
    assert (stored.new.keys == 0).all()
    assert (stored.new.values == 0).all()


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int8", "fp8"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_is_stored_so(name: KVFormatName, number: float) -> None:
    heads = Heads(1, 1, 16)
    qkv = random(NUM_TOKENS, heads.width)
    qkv[4, 2 * 16 + 3] = number
    values = Stored(heads, Kind(name), qkv=qkv).new.values
    with np.errstate(invalid="ignore"):
        is_finite = np.isfinite(values).all(axis=(1, 2))
    assert is_finite.tolist() == [row != 4 for row in range(NUM_TOKENS)]


@pytest.mark.parametrize("is_wide", [False, True])
def test_heads_are_normed_one_by_one_or_together(is_wide: bool) -> None:
    heads = Heads(2, 3, 40)
    width = heads.head_dim
    query_width, key_width = (6 * width, 2 * width) if is_wide else (width, width)
    norms = HeadNorms(random(query_width, seed=5), random(key_width, seed=6), EPS)
    stored = Stored(heads, Kind("float32"), norms=norms)
    expected = stored.qkv.copy()
    for columns, weight in (
        (slice(0, 6 * width), norms.query),
        (slice(6 * width, 8 * width), norms.key),
    ):
        pieces = expected[:, columns].reshape(NUM_TOKENS, -1, len(weight))
        mean_square = np.square(pieces, dtype=np.float64).mean(axis=-1, keepdims=True)
        expected[:, columns] = (pieces / np.sqrt(mean_square + EPS) * weight).reshape(
            NUM_TOKENS, -1
        )
    expected = expected.reshape(NUM_TOKENS, -1, width)
    rotate(expected[:, :8], stored.rotation, slice(None))
    np.testing.assert_allclose(stored.rotated, expected, atol=2e-6, rtol=1e-6)


def test_dimensions_beyond_the_tables_keep_still() -> None:
    heads = Heads(1, 2, 64)
    layer = Attending(heads, Kind("float32"))
    works = make_works(LENGTHS, 16, 64)
    positions = make_inputs(works, 16).positions
    narrow = turned_by(24, positions)
    qkv = random(NUM_TOKENS, heads.width)
    rotated = qkv.copy()
    layer.run(works, rotated, rotation=narrow)
    heads_of, expected = (x.reshape(NUM_TOKENS, -1, 64)[:, :3] for x in (rotated, qkv))
    turned = expected[..., :24].copy()
    rotate(turned, narrow, slice(None))
    assert (heads_of[..., :24] == turned).all()
    assert (heads_of[..., 24:] == expected[..., 24:]).all()


def test_many_tokens_are_stored_by_all_threads() -> None:
    heads = Heads(2, 1, 16)
    layer = Attending(heads, Kind("float32"), num_threads=3)
    works = make_works([(0, 500), (1, 1)], 16, 64)
    qkv = random(501, heads.width)
    layer.run(works, qkv)
    keys = layer.stored(works)[0].keys
    assert (keys == qkv[:500, 32:64].reshape(500, 2, 16)).all()
