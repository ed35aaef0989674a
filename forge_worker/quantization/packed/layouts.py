"""The layouts in which checkpoints hold quantised weights, each as a ScaledWeight.

    gptq      qweight [inputs / n, outputs], qzeros [groups, outputs / n], scales [groups, outputs]
    awq       qweight [inputs, outputs / 8], qzeros [groups, outputs / 8], scales [groups, outputs];
              the words hold outputs 0 2 4 6 1 3 5 7, lowest bits first
    packed    weight_packed [outputs, inputs / n], weight_zero_point [outputs / n, groups],
              weight_scale [outputs, groups]; n integers a word, and the middle stands for 0
    int8      weight int8 [outputs, inputs], zero points as the scales
    fp8       weight [outputs, inputs], scales by the grid

GPTQ's zero points are stored less one: taken from whole words, as files were written, so that what
was borrowed from the next integer comes back. AWQ's and compressed-tensors' are stored as they are.
Knows arrays, neither names nor files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint.quantized.scheme import Scheme, SchemeKind
from forge_worker.quantization.fields import Floats
from forge_worker.quantization.packed.float8 import e4m3_values
from forge_worker.quantization.packed.scaled_weight import Groups, Numbers, ScaledWeight
from forge_worker.quantization.packed.words import integers_in

Ints = npt.NDArray[Any]
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
AWQ_BITS, AWQ_WORD = 4, 8
ONES: Mapping[int, np.uint32] = MappingProxyType(
    {4: np.uint32(0x11111111), 8: np.uint32(0x01010101)}
)


class PackedArrays(NamedTuple):
    """As a checkpoint has them, but for the scales, which are float32."""

    scheme: Scheme
    shape: tuple[int, int]  # outputs, inputs
    numbers: Ints
    scales: Floats
    zeros: Ints | None
    rows_per_scale: int
    groups: Groups

    @property
    def grid(self) -> tuple[int, int]:
        """Row groups and column groups."""
        return -(-self.shape[0] // self.rows_per_scale), -(-self.shape[1] // self.groups.size)

    def weight(
        self, read: Callable[[slice], Numbers], zeros: Ints | None, scales: Floats
    ) -> ScaledWeight:
        shorts = None if zeros is None else zeros.astype(np.int16)
        return ScaledWeight(
            *self.shape, read, shorts, scales.reshape(self.grid), self.rows_per_scale, self.groups
        )


def gptq(arrays: PackedArrays) -> ScaledWeight:
    bits = arrays.scheme.bits

    def read(rows: slice) -> Numbers:
        return integers_in(arrays.numbers[:, rows].T, bits).astype(np.int16)

    words = _present(arrays.zeros).view(np.uint32)
    if arrays.scheme.stores_zeros_less_one:
        words = words + ONES[bits]
    zeros = integers_in(words, bits)[:, : arrays.shape[0]].T
    return arrays.weight(read, zeros, arrays.scales.T)


def awq(arrays: PackedArrays) -> ScaledWeight:
    def read(rows: slice) -> Numbers:
        words = slice(rows.start // AWQ_WORD, rows.stop // AWQ_WORD)
        return _awq_outputs(arrays.numbers[:, words])

    return arrays.weight(read, _awq_outputs(_present(arrays.zeros)), arrays.scales.T)


def packed(arrays: PackedArrays) -> ScaledWeight:
    bits, middle = arrays.scheme.bits, np.int16(arrays.scheme.middle)

    def read(rows: slice) -> Numbers:
        integers = integers_in(arrays.numbers[rows], bits).astype(np.int16)
        integers -= middle
        return integers

    return arrays.weight(read, _signed_zeros(arrays), arrays.scales)


def int8(arrays: PackedArrays) -> ScaledWeight:
    def read(rows: slice) -> Numbers:
        return arrays.numbers[rows].astype(np.int16)

    return arrays.weight(read, _signed_zeros(arrays), arrays.scales)


def fp8(arrays: PackedArrays) -> ScaledWeight:
    values = e4m3_values()

    def read(rows: slice) -> Numbers:
        return values[arrays.numbers[rows]]

    return arrays.weight(read, None, arrays.scales)


LAYOUTS: Mapping[SchemeKind, Callable[[PackedArrays], ScaledWeight]] = MappingProxyType(
    {"gptq": gptq, "awq": awq, "packed": packed, "int8": int8, "fp8": fp8}
)


def _awq_outputs(words: Ints) -> npt.NDArray[np.int16]:
    """[n, outputs / 8] to [outputs, n]"""
    columns = np.ascontiguousarray(words.T).view(np.uint32)
    outputs = np.empty((len(columns), AWQ_WORD, columns.shape[1]), np.int16)
    for place, output in enumerate(AWQ_ORDER):
        outputs[:, output] = (columns >> np.uint32(AWQ_BITS * place)) & np.uint32(15)
    return outputs.reshape(-1, columns.shape[1])


def _signed_zeros(arrays: PackedArrays) -> Ints | None:
    """[row groups, groups], whether they are written in words or as bytes."""
    zeros, scheme = arrays.zeros, arrays.scheme
    if zeros is None or zeros.dtype == np.int8:
        return None if zeros is None else zeros.reshape(arrays.grid)
    integers = integers_in(zeros.T, scheme.bits)[:, : arrays.grid[0]].T
    return integers.astype(np.int16) - np.int16(scheme.middle)


def _present(zeros: Ints | None) -> Ints:
    if zeros is None:
        raise ValueError("zero points belong to this layout")
    return zeros
