"""How element-wise kernels cut rows into vectors, as kernels/vectors.cuh moves them."""

from __future__ import annotations

from forge_common.errors import DeviceError

WARP_THREADS = 32
_HIDDEN_ALIGNMENT = 8  # elements: rows of a 16-bit type begin at multiples of 16 bytes


def vector_width(num_elements: int, max_width: int) -> int:
    """The most elements of one access such that accesses cover `num_elements` exactly."""
    return next(width for width in (8, 4, 1) if width <= max_width and num_elements % width == 0)


def whole_warps(num_threads: int) -> int:
    return -(-num_threads // WARP_THREADS) * WARP_THREADS


def require_hidden_size(hidden_size: int) -> None:
    if hidden_size % _HIDDEN_ALIGNMENT:
        raise DeviceError(
            f"the CUDA worker needs a hidden size divisible by {_HIDDEN_ALIGNMENT}, and this"
            f" model's is {hidden_size}"
        )
