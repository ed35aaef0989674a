"""Weights in blocks: their numbers and their products are those of the widened weight."""

from __future__ import annotations

from contextlib import closing
from typing import NamedTuple

import numpy as np
import pytest

from forge_common.checkpoint.block_formats import RUN_FORMATS
from forge_common.device_blocks import GROUP_BYTES
from forge_worker.cuda import weight_upload
from forge_worker.cuda.block_matrix import PLANES, BlockMatrix, JoinedBlocks, matrix_bytes
from forge_worker.cuda.dequantise import Dequantise
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.skinny import MAX_NORM_ROWS, MAX_ROWS, SkinnyKernels
from forge_worker.cuda.weight_upload import WeightUpload
from forge_worker.ops.protocol import LinearWeights, RmsNorm
from forge_worker.quantization.encode import encode
from forge_worker.weights.stored_tensor import StoredTensor, widen
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.test_skinny import (
    EPS,
    UNIT_ROUNDOFF,
    Floats,
    Problem,
    assert_close,
    gate,
    gate_magnitude,
    make,
)
from tests.worker.quantization import run_blocks

BF16 = Precision.BFLOAT16
HALVES = [BF16, Precision.FLOAT16]
# Of 32 numbers and of 256; rows end inside a group, inside a round of all warps, and after some.
FILE_SHAPES = [
    *((name, shape) for name in ("Q8_0", "Q4_0") for shape in ((40, 32), (19, 2208))),
    *((name, shape) for name in ("Q4_K", "Q6_K") for shape in ((40, 256), (19, 2304))),
]
RUN_SHAPES = [
    *(("I4_32", shape) for shape in ((40, 32), (19, 2208))),
    *((name, shape) for name in ("I4_128", "E4M3_128") for shape in ((40, 128), (19, 2304))),
]
# Products take a compiler long, and runs of 64 are those of 32 and 128 but for how they are loaded.
PRODUCT_SHAPES = [*FILE_SHAPES, *RUN_SHAPES]
PRODUCT_FORMATS = [name for name in GROUP_BYTES if name != "I4_64"]
SHAPES = [*PRODUCT_SHAPES, ("I4_64", (40, 64)), ("I4_64", (19, 2240))]


class Blocks(NamedTuple):
    stored: StoredTensor
    matrix: BlockMatrix
    rounded: Floats  # in the bits of the precision


def blocks_on(device: Device, dtype: str, weight: Floats, precision: Precision = BF16) -> Blocks:
    """`weight` float32, as it is after `dtype`."""
    write = run_blocks.encoded if dtype in RUN_FORMATS else encode
    stored = StoredTensor(dtype, write(dtype, weight))  # type: ignore[arg-type]
    wide = np.empty(weight.shape, np.float32)
    widen(stored, wide)
    return Blocks(stored, placed(device, stored), precision.rounded(wide))


def placed(device: Device, stored: StoredTensor) -> BlockMatrix:
    """At an address of whole vectors, as an arena gives them."""
    num_rows, num_columns = stored.shape
    num_bytes = matrix_bytes(stored.dtype, num_rows, num_columns)
    memory = empty_on(device, (-(-num_bytes // 16) * 16,), np.uint8)[:num_bytes]
    matrix = BlockMatrix(memory, stored.dtype, num_rows, num_columns)
    with closing(WeightUpload(device)) as upload:
        upload.put_blocks([stored], matrix)
    return matrix


def random_bytes(dtype: str, blocks: Blocks) -> StoredTensor:
    """Every integer and every scale, whatever an encoder would choose."""
    if dtype in RUN_FORMATS:
        return StoredTensor(dtype, run_blocks.drawn(dtype, *blocks.stored.shape))  # type: ignore[arg-type]
    raw = np.random.default_rng(5).integers(0, 256, blocks.stored.array.shape, np.uint8)
    halves = {"Q8_0": (34, [0]), "Q4_0": (18, [0]), "Q4_K": (144, [0, 2]), "Q6_K": (210, [208])}
    num_bytes, places = halves[dtype]
    of_blocks = raw.reshape(-1, num_bytes)
    for place in places:  # finite: not all bits of the exponent
        of_blocks[:, place + 1] &= 0xBB
    return StoredTensor(dtype, raw)  # type: ignore[arg-type]


def drawn(shape: tuple[int, int]) -> Floats:
    scale = np.float32(1 / np.sqrt(shape[1]))
    return np.random.default_rng(sum(shape)).standard_normal(shape, np.float32) * scale


def test_planes_are_all_that_is_planned() -> None:
    assert {name: sum(sizes) for name, sizes in PLANES.items()} == dict(GROUP_BYTES)


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize(("dtype", "shape"), SHAPES)
def test_numbers_are_those_of_the_file_rounded_once(
    device: Device, precision: Precision, dtype: str, shape: tuple[int, int]
) -> None:
    stored = random_bytes(dtype, blocks_on(device, dtype, drawn(shape)))
    wide = np.empty(shape, np.float32)
    widen(stored, wide)
    matrix = placed(device, stored)
    scratch = empty_on(device, (shape[0] * shape[1],), precision.dtype)
    found = Dequantise(device, precision, [dtype], scratch)(JoinedBlocks((matrix,)))
    with np.errstate(over="ignore"):  # of float16
        expected = precision.rounded(wide)
    np.testing.assert_array_equal(
        precision.widened(to_host(device, found)), precision.widened(expected)
    )


@pytest.mark.parametrize("dtype", GROUP_BYTES)
def test_parts_lie_below_each_other_however_small_the_buffers(
    device: Device, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(weight_upload, "BUFFER_BYTES", 2048)
    blocks = blocks_on(device, dtype, drawn((21, 768)))
    other = blocks_on(device, "Q4_K", drawn((7, 768)))
    scratch = empty_on(device, (28 * 768,), BF16.dtype)
    dequantise = Dequantise(device, BF16, [dtype, "Q4_K"], scratch)
    found = to_host(device, dequantise(JoinedBlocks((blocks.matrix, other.matrix))))
    expected = np.concatenate([blocks.rounded, other.rounded])
    assert (BF16.widened(found) == BF16.widened(expected)).all()


@pytest.mark.parametrize(("dtype", "shape"), SHAPES)
def test_embedding_is_a_row_of_the_table(
    device: Device, dtype: str, shape: tuple[int, int]
) -> None:
    blocks = blocks_on(device, dtype, drawn(shape))
    tokens = np.array([3, 0, shape[0] - 1, 3], np.int32)
    residual = empty_on(device, (4, shape[1]), np.float32)
    dequantise = Dequantise(device, BF16, [dtype], empty_on(device, (0,), BF16.dtype))
    table, on_it = JoinedBlocks((blocks.matrix,)), on_device(device, tokens)
    dequantise.embed(table, on_it, residual, np.float32(1.5))
    expected = BF16.widened(blocks.rounded)[tokens] * np.float32(1.5)
    assert (to_host(device, residual) == expected).all()


class Bench(NamedTuple):
    problem: Problem  # whose weight is what the blocks say
    kernels: SkinnyKernels
    weights: LinearWeights


def bench_of(
    device: Device,
    num_rows: int,
    dtype: str,
    shape: tuple[int, int],
    precision: Precision = BF16,
    num_parts: int = 1,
) -> Bench:
    problem = make(num_rows, shape, precision, num_parts)
    blocks = blocks_on(device, dtype, precision.widened(problem.weight), precision)
    weights = LinearWeights(blocks.matrix, on_device(device, problem.bias))
    kernels = SkinnyKernels(device, precision, "silu", dtype)
    return Bench(problem._replace(weight=blocks.rounded), kernels, weights)


@pytest.mark.parametrize("num_rows", [1, 8, MAX_ROWS])
@pytest.mark.parametrize(
    ("dtype", "shape"), [*PRODUCT_SHAPES, ("Q4_0", (200, 576)), ("I4_128", (200, 640))]
)
def test_product_is_that_of_the_widened_weight(
    device: Device, dtype: str, shape: tuple[int, int], num_rows: int
) -> None:
    assert_product(device, num_rows, dtype, shape, BF16)


# One of blocks of 32 numbers, and one of blocks of 256: all would take the compiler a minute.
@pytest.mark.parametrize(("dtype", "shape"), [("Q8_0", (19, 2208)), ("Q4_K", (19, 2304))])
def test_so_it_is_in_float16(device: Device, dtype: str, shape: tuple[int, int]) -> None:
    assert_product(device, 3, dtype, shape, Precision.FLOAT16)


def assert_product(
    device: Device, num_rows: int, dtype: str, shape: tuple[int, int], precision: Precision
) -> None:
    problem, kernels, weights = bench_of(device, num_rows, dtype, shape, precision)
    out = empty_on(device, (num_rows, shape[0]), precision.dtype)
    kernels.linear(on_device(device, problem.x), weights, out)
    found = precision.widened(to_host(device, out))
    assert_close(found, *problem.expected(), UNIT_ROUNDOFF[precision])


@pytest.mark.parametrize("num_rows", [2, 11])
@pytest.mark.parametrize(("dtype", "shape"), PRODUCT_SHAPES)
def test_product_is_added_scaled_and_scored(
    device: Device, dtype: str, shape: tuple[int, int], num_rows: int
) -> None:
    problem, kernels, weights = bench_of(device, num_rows, dtype, shape)
    expected, magnitude = problem.expected()
    x = on_device(device, problem.x)
    residual = on_device(device, np.full(expected.shape, 100, np.float32))
    kernels.add_linear(residual, x, weights, 0.5)
    assert_close(to_host(device, residual), 100 + 0.5 * expected, 100 + magnitude)
    logits = empty_on(device, expected.shape, np.float32)
    kernels.logits(x, weights.weight, logits)
    bias = BF16.widened(problem.bias)
    assert_close(to_host(device, logits), expected - bias, magnitude)


@pytest.mark.parametrize("num_rows", [MAX_NORM_ROWS])
@pytest.mark.parametrize(("dtype", "shape"), PRODUCT_SHAPES)
def test_norm_and_gate_are_fused(
    device: Device, dtype: str, shape: tuple[int, int], num_rows: int
) -> None:
    problem, kernels, weights = bench_of(device, num_rows, dtype, shape, num_parts=2)
    normed, scale = problem.normed()
    without = problem._replace(bias=np.zeros_like(problem.bias))
    product, magnitude = without.expected(normed)
    out = empty_on(device, (num_rows, shape[0]), BF16.dtype)
    residual = on_device(device, problem.residual)
    norm = RmsNorm(on_device(device, problem.norm), EPS)
    kernels.norm_gated(residual, norm, weights._replace(bias=None), out)
    found = BF16.widened(to_host(device, out))
    allowed = gate_magnitude(magnitude * scale)
    assert_close(found, gate(product * scale), allowed, UNIT_ROUNDOFF[BF16])


@pytest.mark.parametrize("dtype", PRODUCT_FORMATS)
def test_bits_of_a_row_do_not_depend_on_the_others(device: Device, dtype: str) -> None:
    problem, kernels, weights = bench_of(device, MAX_ROWS, dtype, (72, 1280))
    found = []
    for num_rows in (1, 7, 8, 9, MAX_ROWS):
        out = empty_on(device, (num_rows, 72), BF16.dtype)
        kernels.linear(on_device(device, problem.x[-num_rows:]), weights, out)
        found.append(to_host(device, out)[-1].tobytes())
    assert found == found[:1] * len(found)


def test_a_part_writes_its_columns_only(device: Device) -> None:
    problem, kernels, weights = bench_of(device, 3, "Q8_0", (40, 64))
    out = on_device(device, np.full((3, 100), 7, np.uint16))
    kernels.linear(on_device(device, problem.x), weights, out[:, 50:90])
    found = to_host(device, out)
    assert (found[:, :50] == 7).all()
    assert (found[:, 90:] == 7).all()
    assert_close(BF16.widened(found[:, 50:90]), *problem.expected(), UNIT_ROUNDOFF[BF16])


def test_blocks_of_another_format_are_refused(device: Device) -> None:
    problem, _, weights = bench_of(device, 1, "Q8_0", (40, 64))
    kernels = SkinnyKernels(device, BF16, "silu", "Q4_0")
    out = empty_on(device, (1, 40), BF16.dtype)
    with pytest.raises(ValueError, match="weight is Q8_0, not Q4_0"):
        kernels.linear(on_device(device, problem.x), weights, out)
