"""CublasLtGemm over a cublasLt that is written in Python, and its structs against cublasLt.h."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda import cublaslt_library
from forge_worker.cuda.cublaslt import DETERMINISTIC_ROWS, CublasLtGemm
from forge_worker.cuda.cublaslt_library import CublasLt, DataType, Matrix
from forge_worker.cuda.precision import Precision
from tests.cuda_emulator import EmulatedDevice
from tests.worker.cuda.fake_cublaslt import (
    ALIGNMENT_A,
    ALIGNMENT_D,
    MAX_WORKSPACE,
    FakeCublasLt,
)

Floats = npt.NDArray[Any]

WORKSPACE_BYTES = 3 * 2**20
ROUNDOFF = {Precision.BFLOAT16: 2.0**-8, Precision.FLOAT16: 2.0**-11, Precision.FLOAT32: 2.0**-22}


class Operands(NamedTuple):
    x: Floats
    weight: Floats
    bias: Floats
    expected: Floats  # float64


def make(
    fake: FakeCublasLt,
    precision: Precision = Precision.BFLOAT16,
    is_deterministic: bool = False,
    device: EmulatedDevice | None = None,
) -> CublasLtGemm:
    device = EmulatedDevice() if device is None else device
    library = CublasLt(fake)  # type: ignore[arg-type]
    workspace = device.allocate(WORKSPACE_BYTES)
    return CublasLtGemm(library, device, precision, workspace, is_deterministic)


def draw(precision: Precision, num_rows: int, features: int = 24, size_k: int = 40) -> Operands:
    random = np.random.default_rng(num_rows)
    x, weight, bias = (
        precision.rounded(random.standard_normal(shape, np.float32))
        for shape in ((num_rows, size_k), (features, size_k), features)
    )
    wide_x, wide_weight, wide_bias = (
        precision.widened(array).astype(float) for array in (x, weight, bias)
    )
    return Operands(x, weight, bias, wide_x @ wide_weight.T + wide_bias)


def widened(precision: Precision, array: Floats) -> Floats:
    return array if array.dtype == np.float32 else precision.widened(array)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("is_out_float32", [False, True])
def test_product_of_row_major_arrays(precision: Precision, is_out_float32: bool) -> None:
    operands = draw(precision, 5)
    out = np.empty((5, 24), np.float32 if is_out_float32 else precision.dtype)
    make(FakeCublasLt(), precision)(
        operands.x, operands.weight, out, operands.bias, accumulate=False
    )
    found = widened(precision, out)
    allowed = 2.0**-22 if is_out_float32 else ROUNDOFF[precision]
    np.testing.assert_allclose(found, operands.expected, rtol=allowed, atol=1e-5)


@pytest.mark.parametrize("precision", list(Precision))
def test_product_is_added_to_what_is_there(precision: Precision) -> None:
    operands = draw(precision, 3)
    out = np.full((3, 24), 100, np.float32)
    make(FakeCublasLt(), precision)(
        operands.x, operands.weight, out, operands.bias, accumulate=True
    )
    np.testing.assert_allclose(out, 100 + operands.expected, rtol=1e-6)


def test_bias_is_taken_from_each_call() -> None:
    operands = draw(Precision.FLOAT32, 2)
    gemm, out = make(FakeCublasLt(), Precision.FLOAT32), np.empty((2, 24), np.float32)
    for shift in (0, 1):
        bias = operands.bias + np.float32(shift)
        gemm(operands.x, operands.weight, out, bias, accumulate=False)
        np.testing.assert_allclose(out, operands.expected + shift, rtol=1e-5, atol=1e-5)
    gemm(operands.x, operands.weight, out, accumulate=False)
    np.testing.assert_allclose(out, operands.expected - operands.bias, rtol=1e-5, atol=1e-5)


def test_rows_may_lie_apart() -> None:
    operands = draw(Precision.FLOAT32, 4)
    x, out = np.full((4, 64), np.nan, np.float32), np.full((4, 32), 7, np.float32)
    x[:, :40] = operands.x
    make(FakeCublasLt(), Precision.FLOAT32)(
        x[:, :40], operands.weight, out[:, :24], operands.bias, accumulate=False
    )
    np.testing.assert_allclose(out[:, :24], operands.expected, rtol=1e-5, atol=1e-5)
    assert np.all(out[:, 24:] == 7)


def test_product_and_its_bias_are_recorded_in_a_graph() -> None:
    """The bias becomes float32 on the stream: a replay takes it as it is then."""
    device = EmulatedDevice()
    operands = draw(Precision.BFLOAT16, 2)
    gemm = make(FakeCublasLt(queue=device.queue), device=device)
    bias, out = np.zeros_like(operands.bias), np.empty((2, 24), np.float32)
    graph = device.capture(lambda: gemm(operands.x, operands.weight, out, bias, accumulate=False))
    bias[...] = operands.bias
    graph.launch()
    np.testing.assert_allclose(out, operands.expected, rtol=1e-5, atol=1e-5)


def test_no_rows_are_no_call() -> None:
    fake = FakeCublasLt()
    operands = draw(Precision.BFLOAT16, 0)
    make(fake)(operands.x, operands.weight, np.empty((0, 24), np.uint16), accumulate=False)
    assert fake.used == []


def test_algorithm_is_looked_for_once_a_class_of_rows() -> None:
    fake = FakeCublasLt()
    gemm = make(fake)
    for num_rows in (33, 40, 48, 33):
        operands = draw(Precision.BFLOAT16, num_rows)
        out = np.empty((num_rows, 24), np.uint16)
        gemm(operands.x, operands.weight, out, accumulate=False)
    assert [columns for _, columns in fake.searches] == [48]
    assert fake.columns == [33, 40, 48, 33]


def test_classes_of_rows_are_close_above() -> None:
    gemm = make(FakeCublasLt())
    counts = [1, 2, 3, 4, 5, 6, 7, 17, 24, 25, 100, 2048]
    assert [gemm.row_class(count) for count in counts] == [
        *(1, 2, 3, 4, 6, 6, 8, 24, 24, 32, 128, 2048)
    ]


def test_search_may_use_the_workspace_and_no_more() -> None:
    fake, operands = FakeCublasLt(), draw(Precision.BFLOAT16, 2, features=23)
    make(fake)(operands.x, operands.weight, np.empty((2, 23), np.uint16), accumulate=False)
    preferences, _ = fake.searches[0]
    assert preferences[MAX_WORKSPACE] <= WORKSPACE_BYTES
    assert preferences[ALIGNMENT_A] == 16
    assert preferences[ALIGNMENT_D] == 2  # rows of 23 elements of 2 bytes


def test_chosen_algorithm_is_used() -> None:
    fake, operands = FakeCublasLt(), draw(Precision.BFLOAT16, 2)
    gemm, out = make(fake), np.empty((2, 24), np.uint16)
    product = gemm.product(operands.x, operands.weight, out, None)
    third = gemm.candidates(product, 2)[2]
    gemm.choose(product, 2, third)
    gemm(operands.x, operands.weight, out, accumulate=False)
    assert fake.used == [3]


def test_algorithm_that_does_not_fit_gives_way_to_one_that_does() -> None:
    fake, operands = FakeCublasLt((200, 2)), draw(Precision.BFLOAT16, 2)
    out = np.empty((2, 24), np.uint16)
    make(fake)(operands.x, operands.weight, out, accumulate=False)
    assert fake.used == [2]


def test_no_algorithm_is_a_sentence() -> None:
    operands, out = draw(Precision.BFLOAT16, 2), np.empty((2, 24), np.uint16)
    with pytest.raises(DeviceError, match="2 rows of 40 and 24"):
        make(FakeCublasLt(()))(operands.x, operands.weight, out, accumulate=False)
    with pytest.raises(DeviceError, match="2 rows of 40 and 24"):
        make(FakeCublasLt((200,)))(operands.x, operands.weight, out, accumulate=False)


def test_library_that_does_not_start_is_a_sentence() -> None:
    fake = FakeCublasLt()
    fake.create_status = cublaslt_library.NOT_INITIALIZED
    with pytest.raises(DeviceError, match="status 1"):
        make(fake)


def test_deterministic_rows_share_one_algorithm_that_does_not_split_k() -> None:
    fake = FakeCublasLt((100, 2, 3))
    gemm = make(fake, is_deterministic=True)
    for num_rows in (1, 16, 17, 300):
        operands = draw(Precision.BFLOAT16, num_rows)
        out = np.empty((num_rows, 24), np.float32)
        gemm(operands.x, operands.weight, out, operands.bias, accumulate=False)
        np.testing.assert_allclose(out, operands.expected, rtol=1e-4, atol=1e-4)
    assert set(fake.used) == {2}
    assert fake.columns == [1, 16, 17, DETERMINISTIC_ROWS, DETERMINISTIC_ROWS, 44]


def test_deterministic_algorithm_is_never_exchanged() -> None:
    operands, out = draw(Precision.BFLOAT16, 2), np.empty((2, 24), np.uint16)
    gemm = make(FakeCublasLt((200, 2)), is_deterministic=True)
    with pytest.raises(DeviceError, match="no algorithm"):
        gemm(operands.x, operands.weight, out, accumulate=False)


def test_kept_algorithm_fits_or_not() -> None:
    operands, out = draw(Precision.BFLOAT16, 2), np.empty((2, 24), np.uint16)
    algorithms = [bytes([number, *[0] * 63]) for number in (2, 120, 200)]
    for is_deterministic, fitting in ((False, [True, True, False]), (True, [True, False, False])):
        gemm = make(FakeCublasLt(), is_deterministic=is_deterministic)
        product = gemm.product(operands.x, operands.weight, out, None)
        assert [gemm.fits(product, 2, one) for one in algorithms] == fitting


@pytest.mark.parametrize("fault", ["k", "features", "bias", "type", "gaps"])
def test_arrays_that_do_not_fit_are_refused(fault: str) -> None:
    x, weight, bias, _ = draw(Precision.BFLOAT16, 4)
    out: Floats = np.empty((4, 24), np.uint16)
    if fault == "k":
        x = x[:, :32].copy()
    elif fault == "features":
        out = out[:, :16].copy()
    elif fault == "bias":
        bias = bias[:16]
    elif fault == "type":
        out = out.astype(np.float64)
    else:
        x = np.asfortranarray(x)
    with pytest.raises(ValueError, match=r"not|gaps"):
        make(FakeCublasLt())(x, weight, out, bias, accumulate=False)


def test_structs_are_as_large_as_the_library_has_them() -> None:
    assert ctypes.sizeof(cublaslt_library._Algorithm) == 64
    assert ctypes.sizeof(cublaslt_library._Heuristic) == 96
    assert cublaslt_library._Heuristic.workspace_bytes.offset == 64
    assert cublaslt_library._Heuristic.state.offset == 72


def test_alignment_is_that_of_every_column() -> None:
    assert [Matrix(DataType.BFLOAT16, 8, stride).alignment for stride in (8, 12, 23)] == [16, 8, 2]
    assert Matrix(DataType.FLOAT32, 8, 23).alignment == 4
