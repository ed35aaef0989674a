"""Products of ggml's block formats: tiles hold what files do, and integers are summed exactly."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cpu.native.ops import NativeOps
from forge_worker.cpu.native.packing import PackedMatrix
from forge_worker.forward_inputs import FloatArray
from forge_worker.quantization.encode import encode
from forge_worker.weights.stored_tensor import BlockDtype, StoredTensor
from tests.worker.cpu.native.blocks import random_blocks, widened
from tests.worker.cpu.native.native_ops import SETS, best, make_block_ops, normal
from tests.worker.cpu.native.steps import begin
from tests.worker.cpu.native.weights import prepared

PLAIN = "avx2 widened"
LABELS = [best()] + [PLAIN] * (PLAIN in SETS and best() != PLAIN)
DTYPES: list[BlockDtype] = ["Q4_0", "Q4_K", "Q5_K", "Q6_K"]
BATCHES = (0, 1, 2, 3, 4, 5, 6, 7, 9, 13, 25, 40)

each_set = pytest.mark.parametrize("label", LABELS)
each_format = pytest.mark.parametrize("dtype", DTYPES)


def matrix_of(ops: NativeOps, *parts: StoredTensor) -> PackedMatrix:
    matrix = ops.place(parts)
    assert isinstance(matrix, PackedMatrix)
    return matrix


def multiplied(ops: NativeOps, x: FloatArray, matrix: PackedMatrix) -> FloatArray:
    ops.buffers.reserve_rows(len(x))
    return ops.logits(x, matrix, None).copy()


def read_back(ops: NativeOps, matrix: PackedMatrix) -> FloatArray:
    """The rows, as they would be embedded."""
    rows: FloatArray = ops.embed(matrix, begin(ops, list(range(matrix.num_rows)))).copy()
    return rows


def widths(dtype: str) -> tuple[int, ...]:
    return (32, 96, 256) if dtype == "Q4_0" else (256, 768)


@each_set
@each_format
def test_every_shape_is_multiplied(label: str, dtype: BlockDtype) -> None:
    ops = make_block_ops("none", label)
    for num_rows, num_columns in [(r, c) for r in (5, 33, 96) for c in widths(dtype)]:
        stored = random_blocks(dtype, num_rows, num_columns)
        matrix, weight = matrix_of(ops, stored), widened(stored).astype(np.float64)
        assert matrix.parts[0].format.name == dtype.lower()
        for batch in BATCHES:
            x = normal(batch, batch, num_columns)
            wanted = prepared(x, "int8").astype(np.float64) @ weight.T
            error = np.abs(multiplied(ops, x, matrix) - wanted).max(initial=0)
            assert error <= 2e-5 * np.abs(wanted).max(initial=1)


@each_set
@each_format
def test_integers_are_summed_exactly(label: str, dtype: BlockDtype) -> None:
    """Scales are powers of two and sums are below 2**24, so that nothing is rounded at all."""
    ops = make_block_ops("none", label)
    stored = random_blocks(dtype, 64, 256, scale=0.25)
    x = np.random.default_rng(1).integers(-127, 128, (9, 256)).astype(np.float32)
    x[:, ::32] = 127  # makes the scale of each 32 activations 1
    wanted = x.astype(np.float64) @ widened(stored).astype(np.float64).T
    assert np.abs(wanted).max() < 2**22
    assert (multiplied(ops, x, matrix_of(ops, stored)) == wanted).all()


@each_set
@each_format
def test_a_row_is_the_same_in_any_batch_and_on_any_threads(label: str, dtype: BlockDtype) -> None:
    stored, x = random_blocks(dtype, 130, 512), normal(2, 530, 512)
    one, three = make_block_ops("none", label), make_block_ops("none", label, num_threads=3)
    whole = multiplied(one, x, matrix_of(one, stored))
    matrix = matrix_of(three, stored)
    for start, num_rows in ((0, 1), (3, 2), (5, 3), (7, 5), (11, 8), (20, 13), (40, 31), (90, 77)):
        part = slice(start, start + num_rows)
        assert (multiplied(three, x[part], matrix) == whole[part]).all()


@each_format
def test_a_row_that_is_not_finite_stays_alone(dtype: BlockDtype) -> None:
    ops = make_block_ops("none")
    matrix, x = matrix_of(ops, random_blocks(dtype, 40, 256)), normal(2, 20, 256)
    clean = multiplied(ops, x, matrix)
    broken = x.copy()
    broken[3, 5], broken[8, 40], broken[15, 255] = np.nan, np.inf, -np.inf
    result = multiplied(ops, broken, matrix)
    is_broken = np.isin(np.arange(20), [3, 8, 15])
    assert (result[~is_broken] == clean[~is_broken]).all()
    assert not np.isfinite(result[is_broken]).any()


@pytest.mark.parametrize("dtype", [*DTYPES, "Q8_0"])
def test_rows_of_a_file_come_back_to_the_bit(dtype: BlockDtype) -> None:
    ops = make_block_ops("none")
    stored = random_blocks(dtype, 50, 512)
    assert (read_back(ops, matrix_of(ops, stored)) == widened(stored)).all()


def test_parts_of_other_formats_are_multiplied_each_in_its_own() -> None:
    """As queries, keys and values are in Q4_K_M files; rows need not fill tiles."""
    ops, x = make_block_ops("none"), normal(1, 7, 256)
    parts = [
        random_blocks("Q4_K", 40, 256),
        random_blocks("Q4_K", 24, 256),
        random_blocks("Q6_K", 24, 256),
        StoredTensor("F32", normal(3, 9, 256)),
    ]
    joined = matrix_of(ops, *parts)
    assert [part.format.name for part in joined.parts] == ["q4_k", "q6_k", "f32"]
    alone = [multiplied(ops, x, matrix_of(ops, part)) for part in parts]
    assert (multiplied(ops, x, joined) == np.concatenate(alone, axis=1)).all()


@each_format
def test_plain_numbers_are_encoded_where_it_is_asked_for(dtype: BlockDtype) -> None:
    ops = make_block_ops(dtype.lower(), num_threads=2)  # type: ignore[arg-type]
    weight = normal(1, 2100, 256)  # more than one thread takes at a time
    wanted = widened(StoredTensor(dtype, encode(dtype, weight)))
    matrix = matrix_of(ops, StoredTensor("F32", weight))
    assert matrix.parts[0].format.name == dtype.lower()
    assert (read_back(ops, matrix) == wanted).all()


def test_rows_without_whole_blocks_are_kept_in_bytes() -> None:
    ops = make_block_ops("q4_k")
    weight = normal(1, 20, 70)
    matrix = matrix_of(ops, StoredTensor("F32", weight))
    assert matrix.parts[0].format.name == "q8_0"
    assert np.abs(read_back(ops, matrix) - weight).max() <= np.abs(weight).max() / 250


def test_formats_without_a_kernel_are_kept_in_bytes() -> None:
    """A number moves by half a step at most, and by what rounding the scale to 11 bits moves it."""
    ops, stored = make_block_ops("none"), random_blocks("Q5_0", 48, 64)
    matrix, wide = matrix_of(ops, stored), widened(stored)
    assert matrix.parts[0].format.name == "q8_0"
    error = np.abs(read_back(ops, matrix) - wide).reshape(48, 2, 32)
    highest = np.abs(wide).reshape(48, 2, 32).max(axis=2, keepdims=True)
    assert (error <= highest * (0.5 / 127 + 2**-11)).all()
