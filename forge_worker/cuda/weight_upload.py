"""WeightUpload: weights from a mapped file onto the device, through a ring of pinned buffers.

    file ──several threads──▶ pinned buffer ──copy engine──▶ device      one piece behind the other

Bytes of the device's own precision are copied as they are; others are converted on the way, piece
by piece, so that no second copy of a tensor ever exists on the host. Page faults of a file that is
not cached are taken by several threads at once, which a disk needs to be fast. Knows no names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_worker.cuda.block_matrix import BlockMatrix, Planes, planes_of
from forge_worker.cuda.device import Device
from forge_worker.cuda.pinned_ring import PinnedRing
from forge_worker.cuda.precision import Precision
from forge_worker.ops.protocol import Array
from forge_worker.weights.stored_tensor import StoredTensor, widen

BUFFER_BYTES = 32 * 2**20
NUM_BUFFERS = 3
NUM_THREADS = 4
STORED_AS = {"BF16": Precision.BFLOAT16, "F16": Precision.FLOAT16, "F32": Precision.FLOAT32}


class Piece(NamedTuple):
    """Some rows of a tensor, and the first of them in the joined weight."""

    stored: StoredTensor
    first_row: int


class WeightUpload:
    """`with closing(WeightUpload(…)) as upload`: its threads and buffers go with the block."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._ring = PinnedRing(device, BUFFER_BYTES, NUM_BUFFERS)
        self._threads = ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="weights")

    def put(self, parts: Sequence[StoredTensor], target: Array, precision: Precision) -> None:
        """Queue the copy of `parts`, one below the other, to `target`, of the same shape and of
        `precision`."""
        row_bytes = target[:1].nbytes
        rows_at_once = max(1, BUFFER_BYTES // row_bytes)
        for piece in _pieces(parts, rows_at_once):
            num_rows = len(piece.stored.array)
            pinned = self._ring.take()[: num_rows * row_bytes]
            rows = pinned.view(precision.dtype).reshape(num_rows, *target.shape[1:])
            self._fill(rows, piece.stored, precision)
            self._device.upload(target[piece.first_row : piece.first_row + num_rows], rows)
            self._ring.release()

    def put_blocks(self, parts: Sequence[StoredTensor], target: BlockMatrix) -> None:
        """Queue the copy of `parts`, all of the format of `target`, one below the other."""
        places = target.plane_rows()
        rows_at_once = max(1, BUFFER_BYTES // sum(place.shape[1] for place in places))
        for piece in _pieces(parts, rows_at_once):
            stored, first = piece
            shares = _shares(len(stored.array))
            laid_out = partial(_planes, stored)
            for share, planes in zip(shares, self._threads.map(laid_out, shares), strict=True):
                rows = slice(first + share.start, first + share.start + len(planes[0]))
                self._put_planes(planes, [place[rows] for place in places])

    def _put_planes(self, planes: Planes, places: Sequence[Array]) -> None:
        for plane, place in zip(planes, places, strict=True):
            pinned = self._ring.take()[: plane.nbytes].reshape(plane.shape)
            pinned[...] = plane
            self._device.upload(place, pinned)
            self._ring.release()

    def close(self) -> None:
        """Wait for all that is queued."""
        self._device.synchronize()
        self._threads.shutdown()

    def _fill(self, rows: npt.NDArray[Any], stored: StoredTensor, precision: Precision) -> None:
        convert = partial(_convert, stored, rows, precision)
        list(self._threads.map(convert, _shares(len(rows))))


def _planes(stored: StoredTensor, share: slice) -> Planes:
    return planes_of(stored.dtype, stored.array[share])


def _convert(
    stored: StoredTensor, rows: npt.NDArray[Any], precision: Precision, share: slice
) -> None:
    source = StoredTensor(stored.dtype, stored.array[share])
    if STORED_AS.get(stored.dtype) is precision:
        rows[share] = source.array
        return
    wide = np.empty(source.shape, np.float32)
    widen(source, wide)
    rows[share] = precision.rounded(wide)


def _pieces(parts: Sequence[StoredTensor], rows_at_once: int) -> Iterator[Piece]:
    first_row = 0
    for dtype, array in parts:
        for start in range(0, len(array), rows_at_once):
            rows = array[start : start + rows_at_once]
            yield Piece(StoredTensor(dtype, rows), first_row + start)
        first_row += len(array)


def _shares(num_rows: int) -> list[slice]:
    size = -(-num_rows // NUM_THREADS)
    return [slice(start, start + size) for start in range(0, num_rows, size)]
