"""Keys and values kept in bytes: what is stored, what attention reads, and what models then say."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_common.checkpoint.rope_scaling import Rope
from forge_common.kv_format import DeviceKVName
from forge_worker.cpu.numpy_ops import NumpyOps, NumpyStep
from forge_worker.cuda.attention_plan import AttentionGeometry
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.rotary import HeadShape, Rotary
from forge_worker.forward_inputs import FloatArray
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_shard
from forge_worker.ops.protocol import HeadNorms, KVLayer
from forge_worker.parallel.communicator import SingleRank
from tests.worker.cuda.arrays import on_device, to_host
from tests.worker.cuda.attention_cases import AttentionCase, Chunk, PlacedCase
from tests.worker.cuda.cached_tiles import LARGEST, Coded, coded, from_tiles, in_tiles, numbers_of
from tests.worker.cuda.engines import engine_of, sizes_of
from tests.worker.cuda.test_block_models import SIZES, assert_near, logprobs_of
from tests.worker.cuda.test_rotary import (
    NUM_BLOCKS,
    ROPE,
    Case,
    exact_heads,
    make,
    step_of,
    tiles_of,
)
from tests.worker.fakes import LIMITS, no_grammars
from tests.worker.tiny_models import write_tiny_model

BF16, F16, F32 = Precision.BFLOAT16, Precision.FLOAT16, Precision.FLOAT32
BEFORE = 0xAB
FORMATS: tuple[DeviceKVName, ...] = ("fp8", "int8")
KV = pytest.mark.parametrize("kv", FORMATS)
# Of logprobs. In bfloat16 activations are rounded too, and a number that then falls on the other
# side of a tie is off by a whole step of the cache's format, a sixteenth of itself in FP8.
NEARLY = {F32: 0.01, BF16: 0.16}
# How far a number may be off: part of itself, or of the largest of its row.
RELATIVE_STEP = {"fp8": 2.0**-4, "int8": 0.0}
STEP_OF_LARGEST = {"fp8": 2.0**-17, "int8": 0.51 / 127}


class Stored(NamedTuple):
    """[num_tokens, num_kv_heads] rows each, and what was written to nobody's slots."""

    keys: Coded
    values: Coded
    others: npt.NDArray[np.uint8]


def store(device: Device, case: Case) -> Stored:
    tiles = tiles_of(case)
    before = np.full(tiles.shape(NUM_BLOCKS), BEFORE, np.uint8)
    kv_layer = KVLayer(on_device(device, before), on_device(device, before))
    qkv = on_device(device, case.qkv.reshape(len(case.qkv), -1))
    norms = case.norms and HeadNorms(
        on_device(device, case.norms.query), on_device(device, case.norms.key), case.norms.eps
    )
    tables = {ROPE: on_device(device, case.table)}
    rotary = Rotary(device, case.precision, case.heads, tiles, tables)
    rotary(qkv, norms, ROPE, step_of(device, case), kv_layer)
    both = [from_tiles(to_host(device, array), tiles) for array in kv_layer]
    blocks, places = np.divmod(case.slots[: case.num_live], case.block_size)
    keys, values = (
        Coded(part.codes[blocks, :, places], part.scales[blocks, :, places]) for part in both
    )
    others = np.stack([part.codes for part in both]).swapaxes(2, 3)
    others = others.reshape(2, -1, *others.shape[3:])
    return Stored(keys, values, np.delete(others, case.slots[: case.num_live], axis=1))


@KV
@pytest.mark.parametrize("precision", [BF16, F16, F32])
@pytest.mark.parametrize("head_dim", [24, 80, 256])
def test_values_are_rounded_to_nearest(
    device: Device, kv: DeviceKVName, precision: Precision, head_dim: int
) -> None:
    case = make(HeadShape(4, 2, head_dim), precision, num_padded=2)._replace(kv=kv)
    case.qkv[0] = precision.rounded(
        precision.widened(case.qkv[0])
        * np.exp2(-np.arange(head_dim, dtype=np.float32) * 20 / head_dim)
    )
    stored = store(device, case)
    values = precision.widened(case.qkv[: case.num_live, 6:])
    expected = coded(values, kv, precision)
    np.testing.assert_array_equal(stored.values.scales, expected.scales)
    np.testing.assert_array_equal(stored.values.codes & 0x7F, expected.codes & 0x7F)
    np.testing.assert_array_equal(stored.values.numbers(kv), expected.numbers(kv))
    assert (stored.others == BEFORE).all()


@KV
@pytest.mark.parametrize("norms", ["none", "of heads", "of all"])
@pytest.mark.parametrize("block_size", [5, 16])
def test_keys_are_rotated_and_rounded(
    device: Device, kv: DeviceKVName, norms: str, block_size: int
) -> None:
    case = make(
        HeadShape(5, 3, 80),
        num_tokens=4,
        num_padded=3,
        block_size=block_size,
        has_norms=norms == "of heads",
        is_normed_whole=norms == "of all",
    )._replace(kv=kv)
    keys = store(device, case).keys.numbers(kv)
    weight = case.norms and case.norms.key
    exact, _ = exact_heads(case, case.qkv[:, 5:8], weight)
    largest = np.abs(exact).max(axis=-1, keepdims=True)
    allowed = RELATIVE_STEP[kv] * np.abs(exact) + STEP_OF_LARGEST[kv] * largest
    scale_is_rounded = 2.0**-8 * largest
    assert (np.abs(keys - exact) <= allowed + scale_is_rounded).all()


@KV
def test_row_of_zeros_is_stored_as_zeros(device: Device, kv: DeviceKVName) -> None:
    case = make(HeadShape(4, 2, 64))._replace(kv=kv)
    case.qkv[:] = 0
    stored = store(device, case)
    for rows in (stored.keys, stored.values):
        assert (rows.scales == 0).all()
        assert (rows.codes & 0x7F == 0).all()


@KV
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_row_with_a_number_that_is_not_finite_has_none_that_is(
    device: Device, kv: DeviceKVName, number: float
) -> None:
    case = make(HeadShape(4, 2, 64))._replace(kv=kv)
    case.qkv[2, 7, 9] = BF16.rounded(np.array([number], np.float32))[0]
    stored = store(device, case)
    is_hit = np.zeros((5, 2), bool)
    is_hit[2, 1] = True
    assert (np.isnan(stored.values.scales) == is_hit).all()
    assert np.isfinite(stored.keys.scales).all()


@KV
def test_every_schedule_stores_the_same(schedules: list[Device], kv: DeviceKVName) -> None:
    case = make(HeadShape(5, 3, 80), num_padded=2, is_normed_whole=True)._replace(kv=kv)
    found = {store(device, case).keys.codes.tobytes() for device in schedules}
    assert len(found) == 1


CHUNKS = [Chunk(1, 17), Chunk(3, 70), Chunk(1, 130), Chunk(40, 61)]
GEOMETRIES = [
    (BF16, AttentionGeometry(8, 2, 64, 16)),
    (F16, AttentionGeometry(7, 1, 128, 24)),
    (F32, AttentionGeometry(8, 2, 64, 16)),
]


@KV
@pytest.mark.parametrize(("precision", "geometry"), GEOMETRIES)
def test_attention_has_the_bits_it_has_over_the_widened_cache(
    device: Device, kv: DeviceKVName, precision: Precision, geometry: AttentionGeometry
) -> None:
    wide = PlacedCase(device, AttentionCase(precision, geometry, CHUNKS))
    narrow = PlacedCase(device, AttentionCase(precision, geometry._replace(kv=kv), CHUNKS))
    shape = geometry.tiles(precision).shape(len(wide.kv_layer.keys))
    parts = [drawn_rows(shape, kv, precision, seed) for seed in (1, 2)]
    widened = (precision.rounded(part.numbers(kv)) for part in parts)
    wide.kv_layer = KVLayer(*(on_device(device, part) for part in widened))
    tiles = geometry._replace(kv=kv).tiles(precision)
    narrow.kv_layer = KVLayer(*(on_device(device, in_tiles(part, tiles)) for part in parts))
    assert narrow.run(window=100).tobytes() == wide.run(window=100).tobytes()


def drawn_rows(shape: tuple[int, ...], kv: DeviceKVName, precision: Precision, seed: int) -> Coded:
    """Every code that stands for a number, with scales as the kernels choose them."""
    random = np.random.default_rng(seed)
    codes = random.integers(0, 256, shape, np.uint8)
    codes[np.isnan(numbers_of(codes, kv))] = 0
    scales = random.uniform(0.5, 2, shape[:-1]).astype(np.float32) / np.float32(LARGEST[kv])
    return Coded(codes, precision.widened(precision.rounded(scales)))


class CodedOps(NumpyOps):
    """A CPU whose keys and values are rounded as a GPU's are, and widened again."""

    def __init__(self, kv: DeviceKVName, precision: Precision) -> None:
        super().__init__()
        self._rounding = kv, precision

    def rotate_and_store(
        self,
        qkv: FloatArray,
        norms: HeadNorms | None,
        rope: Rope,
        step: NumpyStep,
        kv_layer: KVLayer,
    ) -> FloatArray:
        query = super().rotate_and_store(qkv, norms, rope, step, kv_layer)
        slots = step.inputs.slot_mapping
        for cached in kv_layer:
            rows = cached.reshape(-1, *cached.shape[2:])
            rows[slots] = coded(rows[slots], *self._rounding).numbers(self._rounding[0])
        return query


def on_coded_cpu(path: Path, kv: DeviceKVName, precision: Precision) -> ModelRunner:
    ops = CodedOps(kv, precision)
    model = load_shard(path, ops, SingleRank(), lambda done, total: None, LIMITS.max_model_len)
    limits = LIMITS._replace(vocab_size=model.config.vocab_size)
    cache = allocate_kv_cache(model.config, ops, limits.num_blocks, limits.block_size)
    return ModelRunner(model, cache, limits, no_grammars())


@pytest.fixture
def model(tmp_path: Path) -> Iterator[Path]:
    yield write_tiny_model(tmp_path, **SIZES)
    gc.collect()


@KV
@pytest.mark.parametrize("precision", [F32, BF16])
def test_models_say_what_a_cpu_says_with_its_cache_rounded_alike(
    device: Device, model: Path, kv: DeviceKVName, precision: Precision
) -> None:
    """In an arena as large as the plan says, prompt and single tokens."""
    engine = engine_of(device, model, sizes_of(model, precision)._replace(kv=kv))
    ours = logprobs_of(engine, 5)
    assert_near(ours, logprobs_of(on_coded_cpu(model, kv, precision), 5), NEARLY[precision])
