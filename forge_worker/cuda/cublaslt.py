"""CublasLtGemm: the Gemm protocol by cublasLt.

x · weightᵀ of row-major arrays is, to a library of column-major matrices, out[N, T] = wᵀ · x with
w [K, N] and x [K, T]: nothing is copied or turned. Which algorithm does it depends on the shape and
on the class of the number of rows: the best one measured (gemm_tuning.py), else the first of the
library's own.

Where it `is_deterministic`, the bits of a row must not depend on how many rows are with it:

- Rows go in calls of at most 128, and a weight has one algorithm for all of them. It names the
  kernel, its tile and the order in which the tile goes through k; the number of rows only decides
  which part of a tile's columns is kept. 128 rows are few enough that a decoding step costs no more
  than the weights' way from memory, and many enough that a prompt still fills tensor cores.
- Algorithms that split k are refused, because they join the parts in an order of their own.
- What the library does not promise, tuning tests on the device at the start: that a row has the
  same bits at every place and beside every number of others (gemm_tuning.py).

All work memory is the caller's; a call allocates nothing on the device and may be captured.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from forge_common.errors import DeviceError
from forge_worker.cuda.cublaslt_library import (
    Call,
    CublasLt,
    DataType,
    Descriptors,
    Matrix,
    Memory,
    Operation,
    Search,
)
from forge_worker.cuda.device import Device, Kernel, KernelSource
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.shapes import address_of, require
from forge_worker.ops.protocol import Array

DETERMINISTIC_ROWS = 128
MAX_ALGORITHMS = 8  # of one search

_BIAS_BYTES = 2**20  # of the workspace: a bias in float32
_BIAS_THREADS = 256  # of bias.cu
_DATA_TYPES = {
    Precision.BFLOAT16: DataType.BFLOAT16,
    Precision.FLOAT16: DataType.FLOAT16,
    Precision.FLOAT32: DataType.FLOAT32,
}


class Product(NamedTuple):
    """All that an algorithm is chosen by but the number of rows; strides are in elements."""

    num_features: int
    size_k: int
    x_stride: int
    out_stride: int
    is_out_float32: bool
    has_bias: bool


class CublasLtGemm:
    """`workspace` is uint8, its size what algorithms may ask for; some of it is for a bias."""

    def __init__(
        self,
        library: CublasLt,
        device: Device,
        precision: Precision,
        workspace: Array,
        is_deterministic: bool,
    ) -> None:
        self._library = library
        self._device = device
        self._precision = precision
        self._bias = workspace[:_BIAS_BYTES].view(np.float32)
        self._workspace = workspace[_BIAS_BYTES:]
        self.is_deterministic = is_deterministic
        self._widen_bias = _bias_kernel(device, precision)
        self._descriptors: dict[Product, Descriptors] = {}
        self._algorithms: dict[tuple[Product, int], bytes] = {}

    def __call__(
        self, x: Array, weight: Array, out: Array, bias: Array | None = None, *, accumulate: bool
    ) -> None:
        product = self.product(x, weight, out, bias)
        vector = self._bias_of(product, bias)
        for rows in self._calls(len(x)):
            memory = Memory(
                a=address_of(weight),
                b=address_of(x[rows]),
                d=address_of(out[rows]),
                bias=0 if vector is None else address_of(vector),
                workspace=address_of(self._workspace),
                workspace_bytes=self._workspace.nbytes,
            )
            self._multiply(product, memory, rows.stop - rows.start, accumulate)

    def product(self, x: Array, weight: Array, out: Array, bias: Array | None) -> Product:
        """What these arrays make of it; ValueError where they do not fit together."""
        num_features, size_k = weight.shape
        dtype = self._precision.dtype
        require("weight", weight, (num_features, size_k), dtype)
        if bias is not None:
            require("bias", bias, (num_features,), dtype)
        is_out_float32 = out.dtype == np.float32
        return Product(
            num_features,
            size_k,
            _stride("x", x, (len(x), size_k), dtype),
            _stride(
                "out",
                out,
                (len(x), num_features),
                np.dtype(np.float32) if is_out_float32 else dtype,
            ),
            is_out_float32,
            bias is not None,
        )

    def row_class(self, num_rows: int) -> int:
        """The number of rows whose algorithm serves `num_rows`: a power of 2, or 1.5 times one."""
        if self.is_deterministic:
            return DETERMINISTIC_ROWS
        power = 1 << (num_rows - 1).bit_length()
        between = power * 3 // 4
        return between if num_rows <= between and power > 2 else power

    def candidates(self, product: Product, row_class: int) -> list[bytes]:
        """Algorithms, the best by the library's own estimate first."""
        search = self._search(row_class)
        found = self._library.algorithms(self._described(product), search)
        if search.may_split_k:
            return found
        return [algorithm for algorithm in found if not self._library.splits_k(algorithm)]

    def fits(self, product: Product, row_class: int, algorithm: bytes) -> bool:
        """Whether an algorithm that was kept from another run can still do this."""
        return self._library.fits(self._described(product), algorithm, self._search(row_class))

    def choose(self, product: Product, row_class: int, algorithm: bytes) -> None:
        self._algorithms[product, row_class] = algorithm

    def _multiply(self, product: Product, memory: Memory, num_rows: int, accumulate: bool) -> None:
        row_class = self.row_class(num_rows)
        call = Call(num_rows, product.has_bias, accumulate, self._device.stream)
        algorithm = self._algorithm(product, row_class)
        descriptors = self._described(product)
        if self._library.multiply(descriptors, algorithm, memory, call):
            return
        # What suits the class need not suit each number in it.
        if not self.is_deterministic:
            for other in self.candidates(product, num_rows):
                if self._library.multiply(descriptors, other, memory, call):
                    return
        raise DeviceError(_no_algorithm(product, num_rows))

    def _algorithm(self, product: Product, row_class: int) -> bytes:
        chosen = self._algorithms.get((product, row_class))
        if chosen is None:
            found = self.candidates(product, row_class)
            if not found:
                raise DeviceError(_no_algorithm(product, row_class))
            chosen = self._algorithms[product, row_class] = found[0]
        return chosen

    def _described(self, product: Product) -> Descriptors:
        if product not in self._descriptors:
            self._descriptors[product] = self._library.describe(self._operation(product))
        return self._descriptors[product]

    def _operation(self, product: Product) -> Operation:
        operand = _DATA_TYPES[self._precision]
        out = DataType.FLOAT32 if product.is_out_float32 else operand
        return Operation(
            a=Matrix(operand, product.size_k, product.size_k),
            num_columns_a=product.num_features,
            b=Matrix(operand, product.size_k, product.x_stride),
            d=Matrix(out, product.num_features, product.out_stride),
            has_bias=product.has_bias,
        )

    def _search(self, row_class: int) -> Search:
        may_split_k = not self.is_deterministic
        return Search(row_class, self._workspace.nbytes, may_split_k, MAX_ALGORITHMS)

    def _calls(self, num_rows: int) -> Iterator[slice]:
        size = DETERMINISTIC_ROWS if self.is_deterministic else max(1, num_rows)
        return (slice(row, min(row + size, num_rows)) for row in range(0, num_rows, size))

    def _bias_of(self, product: Product, bias: Array | None) -> Array | None:
        """As the library wants it: in the type of `out`."""
        if bias is None or self._widen_bias is None or not product.is_out_float32:
            return bias
        size = product.num_features
        if size > len(self._bias):
            raise ValueError(f"a bias of {size} features, not of {len(self._bias)} at most")
        grid = (-(-size // _BIAS_THREADS), 1, 1)
        self._widen_bias(grid, (_BIAS_THREADS, 1, 1), (bias, self._bias, np.int32(size)))
        return self._bias


def _bias_kernel(device: Device, precision: Precision) -> Kernel | None:
    """None where a bias is float32 as it is."""
    if precision is Precision.FLOAT32:
        return None
    source = KernelSource("bias.cu", (("ELEMENT", precision.kernel_type),))
    return device.kernels(source)["widen_bias"]


def _stride(name: str, array: Array, shape: tuple[int, int], dtype: np.dtype[Any]) -> int:
    """Elements from one row to the next; the rows themselves have no gaps."""
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.dtype} {list(array.shape)}, not {dtype} {list(shape)}")
    row_bytes, element_bytes = array.strides
    if len(array) <= 1:
        return shape[1]
    if element_bytes != dtype.itemsize or row_bytes < shape[1] * element_bytes:
        raise ValueError(f"{name} has gaps inside its rows, or rows that overlap")
    return int(row_bytes // element_bytes)


def _no_algorithm(product: Product, num_rows: int) -> str:
    return (
        f"cublasLt has no algorithm for the product of {num_rows} rows of {product.size_k} and"
        f" {product.num_features} of a weight"
    )
