"""Checks at the border between Python and kernels, which trust every pointer they are given.

A wrong array here is a fault of ours, so it is a ValueError that names the argument.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forge_worker.ops.protocol import Array


def address_of(array: Array) -> int:
    """Of a CuPy array, or of a NumPy one where a test has those."""
    pointer = getattr(array.data, "ptr", None)
    return int(array.ctypes.data if pointer is None else pointer)


def require(name: str, array: Array, shape: tuple[int, ...], dtype: type | np.dtype[Any]) -> None:
    """That `array` has this shape and type, and lies in memory without gaps."""
    if tuple(array.shape) != shape or array.dtype != np.dtype(dtype):
        raise ValueError(
            f"{name} is {array.dtype} {list(array.shape)}, not {np.dtype(dtype)} {list(shape)}"
        )
    if not array.flags.c_contiguous:
        raise ValueError(f"{name} has gaps between its elements")


def row_stride(name: str, array: Array, shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    """Elements from one row of a matrix to the next; a row itself has no gaps."""
    require(name, array[:1], (min(1, shape[0]), shape[1]), dtype)
    if tuple(array.shape) != shape:
        raise ValueError(f"{name} is {list(array.shape)}, not {list(shape)}")
    return int(array.strides[0]) // dtype.itemsize
