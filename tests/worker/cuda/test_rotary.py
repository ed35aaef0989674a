"""Rotation, head norms and the cache write against float64 and against the CPU worker's."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_common.checkpoint import ModelConfig
from forge_common.checkpoint.rope_scaling import Rope
from forge_common.kv_format import DeviceKVName
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_step import DeviceStep, StepShape
from forge_worker.cuda.kv_tiles import KVTiles
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.rotary import HeadShape, Rotary, num_lanes, rotation_table
from forge_worker.ops.protocol import HeadNorms, KVLayer
from forge_worker.rotary import rotation
from tests.worker.cuda.arrays import on_device, to_host
from tests.worker.cuda.rounding import assert_rounded_once, drawn
from tests.worker.forward import Work, make_inputs
from tests.worker.tiny_models import write_model_config

EPS = 1e-3  # large enough that forgetting it shows
MAX_MODEL_LEN = 50
ROPE = Rope(10_000.0, None, 2)  # whatever: the table is drawn
NUM_BLOCKS = 5
# Two products and their sum; with norms the sum of squares, the root and two products more.
FLOAT_ROUNDINGS = 4
NORM_FLOAT_ROUNDINGS = 24

Floats = npt.NDArray[Any]

F32 = Precision.FLOAT32
BF16 = Precision.BFLOAT16


class Case(NamedTuple):
    """Tokens at scattered positions and slots, of which the last ones are padding."""

    precision: Precision
    heads: HeadShape
    block_size: int
    qkv: Floats  # [T, heads, head_dim]
    positions: npt.NDArray[np.int32]
    slots: npt.NDArray[np.int64]
    num_live: int
    table: Floats
    norms: HeadNorms | None
    kv: DeviceKVName = "computed"


class Result(NamedTuple):
    qkv: Floats
    keys: Floats  # [num_blocks, block_size, num_kv_heads, head_dim]
    values: Floats


def make(
    heads: HeadShape,
    precision: Precision = BF16,
    num_tokens: int = 5,
    num_padded: int = 0,
    block_size: int = 12,
    has_norms: bool = False,
    is_normed_whole: bool = False,
) -> Case:
    random = np.random.default_rng(heads.head_dim + num_tokens)
    rows, dim = num_tokens + num_padded, heads.head_dim
    angles = random.uniform(0, 2 * np.pi, (MAX_MODEL_LEN, dim // 2))
    widths = heads[:2] if is_normed_whole else (1, 1)
    weights = [
        drawn(F32, (width * dim,), seed, mean=1.0) for seed, width in enumerate(widths, start=1)
    ]
    num_blocks = max(NUM_BLOCKS, -(-rows // block_size))
    slots = random.permutation(num_blocks * block_size)[:rows].astype(np.int64)
    positions = random.integers(0, MAX_MODEL_LEN, rows).astype(np.int32)
    positions[num_tokens:], slots[num_tokens:] = 1 << 30, 1 << 40  # nobody may follow them
    return Case(
        precision=precision,
        heads=heads,
        block_size=block_size,
        qkv=drawn(precision, (rows, heads.heads_per_token, dim), seed=3),
        positions=positions,
        slots=slots,
        num_live=num_tokens,
        table=np.stack([np.cos(angles), np.sin(angles)], axis=-1).astype(np.float32),
        norms=HeadNorms(*weights, EPS) if has_norms or is_normed_whole else None,
    )


def tiles_of(case: Case) -> KVTiles:
    return KVTiles(
        case.precision, case.heads.num_kv_heads, case.block_size, case.heads.head_dim, case.kv
    )


def step_of(device: Device, case: Case) -> DeviceStep:
    """The fields that the kernel reads; nothing else of the step is there."""
    rows = len(case.qkv)
    return DeviceStep(
        StepShape(rows, 0, 0, 0, 0),
        counts=on_device(device, np.array([case.num_live, 0, 0, 0], np.int32)),
        token_ids=None,
        positions=on_device(device, case.positions),
        slots=on_device(device, case.slots),
        **dict.fromkeys(DeviceStep._fields[5:]),
    )


def run(device: Device, case: Case) -> Result:
    num_blocks = max(NUM_BLOCKS, -(-len(case.qkv) // case.block_size))
    shape = (num_blocks, case.heads.num_kv_heads, case.block_size, case.heads.head_dim)
    before = case.precision.rounded(np.full(shape, -77, np.float32))
    kv_layer = KVLayer(on_device(device, before), on_device(device, before))
    qkv = on_device(device, case.qkv.reshape(len(case.qkv), np.prod(case.qkv.shape[1:])))
    table = on_device(device, case.table)
    norms = case.norms and HeadNorms(
        on_device(device, case.norms.query), on_device(device, case.norms.key), case.norms.eps
    )
    rotary = Rotary(device, case.precision, case.heads, tiles_of(case), {ROPE: table})
    rotary(qkv, norms, ROPE, step_of(device, case), kv_layer)
    keys, values = (to_host(device, array).swapaxes(1, 2) for array in kv_layer)
    return Result(to_host(device, qkv).reshape(case.qkv.shape), keys, values)


def exact_heads(case: Case, heads: Floats, weight: Floats | None) -> tuple[Floats, Floats]:
    """Normed and rotated in float64, and what the rounding errors are measured against."""
    wide = case.precision.widened(heads[: case.num_live]).astype(np.float64)
    if weight is not None:
        groups = wide.reshape(len(wide), -1, len(weight))
        mean_square = (groups**2).mean(axis=-1, keepdims=True)
        normed = groups / np.sqrt(mean_square + np.float32(EPS)) * weight
        wide = normed.reshape(wide.shape)
    angles = case.table[case.positions[: case.num_live], None].astype(np.float64)
    cos, sin = angles[..., 0], angles[..., 1]
    low, high = np.split(wide, 2, axis=-1)
    turned = np.concatenate([low * cos - high * sin, high * cos + low * sin], axis=-1)
    return turned, np.concatenate([abs(low) + abs(high)] * 2, axis=-1)


def assert_done(case: Case, result: Result) -> None:
    num_heads, num_kv_heads, head_dim = case.heads
    query, key, value = np.split(case.qkv, [num_heads, num_heads + num_kv_heads], axis=1)
    live, slots = case.num_live, case.slots[: case.num_live]
    stored = [array.reshape(-1, num_kv_heads, head_dim) for array in (result.keys, result.values)]
    roundings = FLOAT_ROUNDINGS if case.norms is None else NORM_FLOAT_ROUNDINGS
    for heads, out, weight in (
        (query, result.qkv[:live, :num_heads], case.norms and case.norms.query),
        (key, stored[0][slots], case.norms and case.norms.key),
    ):
        exact, magnitude = exact_heads(case, heads, weight)
        assert_rounded_once(
            out, exact, case.precision, float_roundings=roundings, magnitude=magnitude
        )
    np.testing.assert_array_equal(stored[1][slots], value[:live])
    assert_untouched_elsewhere(case, result)


def assert_untouched_elsewhere(case: Case, result: Result) -> None:
    """Slots of nobody, padded rows, and K and V where they were projected."""
    for array in (result.keys, result.values):
        others = np.delete(array.reshape(-1, *array.shape[2:]), case.slots[: case.num_live], axis=0)
        assert (case.precision.widened(others) == -77).all()
    np.testing.assert_array_equal(result.qkv[case.num_live :], case.qkv[case.num_live :])
    np.testing.assert_array_equal(
        result.qkv[:, case.heads.num_heads :], case.qkv[:, case.heads.num_heads :]
    )


@pytest.mark.parametrize("has_norms", [False, True])
@pytest.mark.parametrize("head_dim", [8, 10, 16, 64, 80, 96, 128, 256])
def test_every_head_dim_is_rotated_and_stored(
    device: Device, head_dim: int, has_norms: bool
) -> None:
    case = make(HeadShape(4, 2, head_dim), has_norms=has_norms)
    assert_done(case, run(device, case))


@pytest.mark.parametrize("head_dim", [126, 512])
def test_lanes_take_several_vectors_where_a_head_has_more_than_a_warp(
    device: Device, head_dim: int
) -> None:
    case = make(HeadShape(2, 1, head_dim), has_norms=True)
    assert_done(case, run(device, case))


@pytest.mark.parametrize("has_norms", [False, True])
@pytest.mark.parametrize("precision", [F32, Precision.FLOAT16])
def test_other_precisions_do_the_same(
    device: Device, precision: Precision, has_norms: bool
) -> None:
    case = make(HeadShape(6, 2, 80), precision, has_norms=has_norms)
    assert_done(case, run(device, case))


@pytest.mark.parametrize("precision", [BF16, Precision.FLOAT16, F32])
@pytest.mark.parametrize("heads", [(4, 2, 16), (1, 1, 8), (5, 5, 80), (40, 8, 128)])
def test_all_heads_of_a_token_may_be_normed_together(
    device: Device, precision: Precision, heads: tuple[int, int, int]
) -> None:
    case = make(HeadShape(*heads), precision, num_tokens=3, num_padded=2, is_normed_whole=True)
    assert_done(case, run(device, case))


@pytest.mark.parametrize("num_heads", [(1, 1), (9, 3), (16, 1), (32, 8)])
def test_heads_may_share_keys_in_any_ratio(device: Device, num_heads: tuple[int, int]) -> None:
    case = make(HeadShape(*num_heads, 64))
    assert_done(case, run(device, case))


@pytest.mark.parametrize("block_size", [1, 16, 60])
def test_slots_are_found_in_blocks_of_any_size(device: Device, block_size: int) -> None:
    case = make(HeadShape(4, 2, 16), block_size=block_size, num_tokens=3)
    assert_done(case, run(device, case))


@pytest.mark.parametrize("num_tokens", [1, 150])
def test_one_token_and_many_tokens(device: Device, num_tokens: int) -> None:
    case = make(HeadShape(4, 2, 16), num_tokens=num_tokens, has_norms=True)
    assert_done(case, run(device, case))


@pytest.mark.parametrize("has_norms", [False, True])
def test_padded_rows_write_nothing_and_their_slots_are_not_followed(
    device: Device, has_norms: bool
) -> None:
    case = make(HeadShape(4, 2, 16), num_tokens=3, num_padded=6, has_norms=has_norms)
    assert_done(case, run(device, case))


def test_a_replay_with_nothing_live_writes_nothing(device: Device) -> None:
    case = make(HeadShape(4, 2, 16), num_tokens=0, num_padded=4, has_norms=True)
    assert_untouched_elsewhere(case, run(device, case))


def test_no_rows_launch_nothing(device: Device) -> None:
    case = make(HeadShape(4, 2, 16), num_tokens=0)
    assert_untouched_elsewhere(case, run(device, case))


@pytest.mark.parametrize("is_normed_whole", [False, True])
def test_every_schedule_gives_the_same_bits(schedules: list[Device], is_normed_whole: bool) -> None:
    case = make(HeadShape(5, 3, 80), num_padded=2, has_norms=True, is_normed_whole=is_normed_whole)
    first, *others = [run(device, case) for device in schedules]
    for other in others:
        assert all(map(np.array_equal, first, other))


@pytest.mark.parametrize("has_norms", [False, True])
def test_float32_equals_the_cpu_worker(device: Device, tmp_path: Path, has_norms: bool) -> None:
    config = write_model_config(tmp_path, head_dim=16)
    heads = HeadShape(config.num_heads, config.num_kv_heads, 16)
    inputs = make_inputs([Work([1] * 7, 20, [3, 0, 4])], 12)
    case = make(heads, F32, 7, has_norms=has_norms)._replace(
        positions=inputs.positions,
        slots=inputs.slot_mapping,
        table=rotation_table(config.ropes[0], 16, MAX_MODEL_LEN),
    )
    ops = NumpyOps()
    kv_layer = ops.kv_layer(NUM_BLOCKS, 12, config)
    step = ops.begin_step(inputs, config, 12)
    query = ops.rotate_and_store(
        case.qkv.reshape(7, -1).copy(), case.norms, config.ropes[0], step, kv_layer
    )
    result = run(device, case)
    np.testing.assert_allclose(result.qkv[:, : heads.num_heads], query, rtol=1e-6, atol=1e-6)
    for stored, expected in zip(result[1:], kv_layer, strict=True):
        slots = np.divmod(inputs.slot_mapping, 12)
        np.testing.assert_allclose(stored[slots], expected[slots], rtol=1e-6, atol=1e-6)


def test_table_holds_the_rotation_of_every_position(tmp_path: Path) -> None:
    yarn = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
    config: ModelConfig = write_model_config(tmp_path, head_dim=16, rope_scaling=yarn)
    table = rotation_table(config.ropes[0], 16, 10_000)  # made in more than one piece
    expected = rotation(config.ropes[0], 16, np.arange(10_000, dtype=np.int32))
    np.testing.assert_array_equal(table[..., 0], expected.cos[:, :8])
    np.testing.assert_array_equal(table[..., 1], expected.sin[:, 8:])


@pytest.mark.parametrize(("num_vectors", "lanes"), [(1, 1), (5, 8), (8, 8), (33, 32), (63, 32)])
def test_lanes_of_a_head_are_a_power_of_two_within_a_warp(num_vectors: int, lanes: int) -> None:
    assert num_lanes(num_vectors) == lanes


def test_wrong_arrays_are_refused_by_name(device: Device) -> None:
    case = make(HeadShape(4, 2, 16), has_norms=True)
    with pytest.raises(ValueError, match="table"):
        Rotary(device, BF16, case.heads, tiles_of(case), {ROPE: case.table[..., :1]})
    with pytest.raises(ValueError, match="qkv"):
        run(device, case._replace(qkv=case.qkv[:, :-1]))
    with pytest.raises(ValueError, match="positions"):
        run(device, case._replace(positions=case.positions[:-1]))
    with pytest.raises(ValueError, match="slots is int32"):
        run(device, case._replace(slots=case.slots.astype(np.int32)))
    narrow = HeadNorms(np.zeros(8, np.float32), np.zeros(16, np.float32), EPS)
    with pytest.raises(ValueError, match="query norm"):
        run(device, case._replace(norms=narrow))
    crossed = HeadNorms(np.zeros(64, np.float32), np.zeros(64, np.float32), EPS)
    with pytest.raises(ValueError, match="key norm"):
        run(device, case._replace(norms=crossed))
