"""Products against NumPy on the numbers that the formats hold, whatever the shape and the batch."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.weight_format import FormatName
from forge_worker.cpu.native.ops import NativeOps
from forge_worker.cpu.native.packing import PackedMatrix
from forge_worker.forward_inputs import FloatArray
from forge_worker.weights.stored_tensor import StoredTensor
from tests.worker.cpu.native.native_ops import FORMAT_NAMES, SETS, kernels, make_ops, normal, placed
from tests.worker.cpu.native.steps import begin
from tests.worker.cpu.native.weights import prepared, stored

SHAPES = [(16, 32), (33, 65), (5, 7), (200, 96), (96, 200), (1, 1)]
BATCHES = (0, 1, 2, 3, 4, 5, 6, 7, 9, 12, 13, 17, 25, 40)

pytestmark = pytest.mark.parametrize("label", list(SETS))
each_format = pytest.mark.parametrize("name", FORMAT_NAMES)


def multiplied(ops: NativeOps, x: FloatArray, matrix: PackedMatrix) -> FloatArray:
    ops.buffers.reserve_rows(len(x))
    return ops.logits(x, matrix, None).copy()


def expected(x: FloatArray, weight: FloatArray, name: FormatName, label: str) -> FloatArray:
    kind = kernels(label).activation(name)
    exact = prepared(x, kind).astype(np.float64) @ stored(weight, name).astype(np.float64).T
    result: FloatArray = exact.astype(np.float32)
    return result


@each_format
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_multiplied(label: str, name: FormatName, shape: tuple[int, int]) -> None:
    weight = normal(1, *shape)
    ops = make_ops(name, label)
    matrix = placed(ops, weight)
    for num_rows in BATCHES:
        x = normal(num_rows, num_rows, shape[1])
        result = multiplied(ops, x, matrix)
        wanted = expected(x, weight, name, label)
        assert result.shape == wanted.shape
        assert np.abs(result - wanted).max(initial=0) <= 2e-5 * np.abs(wanted).max(initial=1)


@each_format
def test_a_row_is_the_same_in_any_batch_and_on_any_threads(label: str, name: FormatName) -> None:
    weight, x = normal(1, 130, 160), normal(2, 600, 160)
    whole = multiplied(make_ops(name, label), x, placed(make_ops(name, label), weight))
    ops = make_ops(name, label, num_threads=3)
    matrix = placed(ops, weight)
    for start, num_rows in ((0, 1), (3, 2), (7, 5), (11, 8), (20, 13), (40, 31), (100, 77)):
        part = slice(start, start + num_rows)
        assert (multiplied(ops, x[part], matrix) == whole[part]).all()


@each_format
def test_a_row_that_is_not_finite_stays_alone(label: str, name: FormatName) -> None:
    weight, x = normal(1, 40, 64), normal(2, 20, 64)
    ops = make_ops(name, label)
    matrix = placed(ops, weight)
    clean = multiplied(ops, x, matrix)
    broken = x.copy()
    broken[3, 5], broken[8, 40], broken[15, 63] = np.nan, np.inf, -np.inf
    result = multiplied(ops, broken, matrix)
    is_broken = np.isin(np.arange(20), [3, 8, 15])
    assert (result[~is_broken] == clean[~is_broken]).all()
    assert not np.isfinite(result[is_broken]).any()


@each_format
def test_rows_of_a_tensor_come_back(label: str, name: FormatName) -> None:
    weight = normal(1, 50, 70)
    ops = make_ops(name, label)
    wanted = stored(weight, name)
    assert (read_back(ops, placed(ops, weight)) == wanted).all()


def test_files_formats_are_kept_to_the_bit(label: str) -> None:
    floats = normal(1, 40, 48)
    floats[0, :4] = 1e-40, -1e-45, 65504, 0
    bits = (floats.view(np.uint32) >> 16).astype(np.uint16)
    with np.errstate(under="ignore"):
        halves = floats.astype(np.float16)
    for tensor, name in (
        (StoredTensor("BF16", bits), "bf16"),
        (StoredTensor("F16", halves), "f16"),
    ):
        ops = make_ops(name, label)  # type: ignore[arg-type]
        matrix = ops.place([tensor])
        assert isinstance(matrix, PackedMatrix)
        held = read_back(ops, matrix)
        wide = (bits.astype(np.uint32) << 16).view(np.float32)
        assert (held == (wide if name == "bf16" else halves.astype(np.float32))).all()


def test_tensors_one_below_the_other_are_one_matrix(label: str) -> None:
    parts = [normal(seed, rows, 40) for seed, rows in ((1, 20), (2, 7), (3, 33))]
    sliced = np.asarray(normal(4, 30, 80))[:, 11:51]  # rows with gaps between
    ops = make_ops("f32", label)
    matrix = placed(ops, *parts, sliced)
    assert (read_back(ops, matrix) == np.concatenate([*parts, sliced])).all()


def read_back(ops: NativeOps, matrix: PackedMatrix) -> FloatArray:
    """The rows, as they would be embedded."""
    step = begin(ops, list(range(matrix.num_rows)))
    rows: FloatArray = ops.embed(matrix, step).copy()
    return rows


@pytest.mark.parametrize("num_columns", [1024, 1056])
def test_a_row_is_the_same_alone_however_long_the_tiles_are(label: str, num_columns: int) -> None:
    ops = make_ops("q8_0", label)
    matrix, x = placed(ops, normal(1, 70, num_columns)), normal(2, 7, num_columns)
    together = multiplied(ops, x, matrix)
    for row in range(len(x)):
        assert (multiplied(ops, x[row : row + 1], matrix)[0] == together[row]).all()
