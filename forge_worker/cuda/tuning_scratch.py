"""TuningScratch: memory that nobody uses yet, as operands for products that are to be measured.

The numbers in it are random ones of ordinary size: products of zeros take less power, so a GPU does
them faster than any it will meet. Knows no algorithm.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.cublaslt import Product
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array

COLD_BYTES = 128 * 2**20  # of weights: more than an L2 cache holds
PINNED_BYTES = 4 * 2**20  # more than a row has

_ALIGNMENT = 256


class Operands(NamedTuple):
    x: Array
    out: Array
    bias: Array | None
    weights: list[Array]  # of one shape


class TuningScratch:
    """`memory` is uint8 of the device; the more of it, the larger the products it can hold."""

    def __init__(self, device: Device, precision: Precision, memory: Array) -> None:
        self._device = device
        self._precision = precision
        self._memory = memory
        self._pinned = device.allocate_pinned(PINNED_BYTES)

        dtype = precision.dtype
        random = np.random.default_rng(0)
        values = random.standard_normal(PINNED_BYTES // dtype.itemsize, np.float32)
        self._random = device.allocate_pinned(PINNED_BYTES)
        self._random.view(dtype)[...] = precision.rounded(values)

    def operands(self, product: Product, num_rows: int) -> Operands | None:
        """None where there is too little memory for even one weight."""
        dtype = self._precision.dtype
        out_dtype = np.dtype(np.float32) if product.is_out_float32 else dtype
        weight_shape = (product.num_features, product.size_k)
        memory = _Memory(self._memory)
        x = memory.take((num_rows, product.size_k), dtype)
        out = memory.take((num_rows, product.num_features), out_dtype)
        bias = memory.take((product.num_features,), dtype) if product.has_bias else None
        weights = list(memory.take_all(weight_shape, dtype, COLD_BYTES))
        if not weights:
            return None
        for array in (x, *weights, *([] if bias is None else [bias])):
            self._fill(array)
        return Operands(x, out, bias, weights)

    def _fill(self, array: Array) -> None:
        flat = array.reshape(-1).view(np.uint8)
        for start in range(0, len(flat), PINNED_BYTES):
            part = flat[start : start + PINNED_BYTES]
            self._device.upload(part, self._random[: len(part)])

    def repeat_first_row(self, x: Array) -> None:
        """Make all rows of `x` equal."""
        row = self._pinned[: x[:1].nbytes]
        self._device.download(row, x[:1])
        self._device.synchronize()
        for place in range(1, len(x)):
            self._device.upload(x[place : place + 1], row)

    def rows(self, array: Array) -> Iterator[npt.NDArray[np.uint8]]:
        """The bytes of one row after the other, each until the next is taken."""
        row = self._pinned[: array[:1].nbytes]
        for place in range(len(array)):
            self._device.download(row, array[place : place + 1])
            self._device.synchronize()
            yield row


class _Memory:
    """Cut from front to back. What does not fit is empty, and so is all that comes after."""

    def __init__(self, memory: Array) -> None:
        self._left = memory

    def take(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        num_bytes = int(np.prod(shape)) * dtype.itemsize
        taken = self._left[:num_bytes]
        self._left = self._left[-(-num_bytes // _ALIGNMENT) * _ALIGNMENT :]
        return taken.view(dtype).reshape(shape) if len(taken) == num_bytes else taken[:0]

    def take_all(
        self, shape: tuple[int, ...], dtype: np.dtype[Any], max_bytes: int
    ) -> Iterator[Array]:
        """As many as fit, until they are `max_bytes` together."""
        num_bytes = int(np.prod(shape)) * dtype.itemsize
        taken_bytes = 0
        while num_bytes <= len(self._left) and taken_bytes < max_bytes:
            yield self.take(shape, dtype)
            taken_bytes += num_bytes
