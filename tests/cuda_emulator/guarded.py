"""Arrays between pages that nobody may touch: an element too far is a fault, not a wrong number."""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

_PROT_NONE = 0
_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


def guarded(array: npt.NDArray[Any], *, at_start: bool = False) -> npt.NDArray[Any]:
    """A copy that ends at an unreadable page; `at_start`, one that begins behind one.

    There is such a page on the other side too, but up to a page away.
    """
    copy = guarded_bytes(array.nbytes, at_start=at_start).view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def guarded_bytes(
    num_bytes: int, *, at_start: bool = False, alignment: int = 1
) -> npt.NDArray[np.uint8]:
    """uint8 [num_bytes] of zeros; where it ends is rounded up so that it starts aligned."""
    page = mmap.PAGESIZE
    rounded = -(-num_bytes // alignment) * alignment
    middle = max(-(-rounded // page) * page, page)
    memory = mmap.mmap(-1, middle + 2 * page, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for guard in (start, start + page + middle):
        if _libc.mprotect(guard, page, _PROT_NONE) != 0:
            raise OSError(ctypes.get_errno(), "mprotect")
    offset = page if at_start else page + middle - rounded
    return np.frombuffer(memory, np.uint8, num_bytes, offset)
