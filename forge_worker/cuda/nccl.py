"""NcclCommunicator: the sums and gatherings between the GPUs of one model, queued on each's stream.

Every rank must queue the same operations in the same order. NCCL leaves the same bits on all of
them. Knows neither layers nor how ranks found each other: rank 0 makes an id, and the others get it
by whatever way they have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from forge_common.errors import ConfigError, DeviceError
from forge_common.sharding import Shard
from forge_worker.cuda.device import Device
from forge_worker.ops.protocol import Array

_SUM = 0
_BYTE = 1  # ncclUint8: to gather is to copy
_TYPES = {np.dtype(np.float16): 6, np.dtype(np.float32): 7, np.dtype(np.uint16): 9}  # 9: bfloat16
_MAX_GROUPED_ROWS = 512  # NCCL holds some thousand operations of a group at most


class NcclCommunicator:
    def __init__(self, device: Device, shard: Shard, unique_id: bytes, gathered: Array) -> None:
        """Waits for all ranks. `gathered` is uint8 memory for the largest result of a gathering."""
        self._nccl = _import_nccl()
        self._stream = device.stream
        self._gathered = gathered
        self.shard = shard
        try:
            self._ranks = self._nccl.NcclCommunicator(shard.num_ranks, unique_id, shard.rank)
        except self._nccl.NcclError as error:
            raise DeviceError(f"the GPUs cannot reach each other: {error}") from error

    def all_reduce_sum(self, array: Array) -> None:
        address = array.data.ptr
        try:
            self._ranks.allReduce(
                address, address, array.size, _TYPES[array.dtype], _SUM, self._stream
            )
        except self._nccl.NcclError as error:
            raise DeviceError(f"a sum of all ranks failed: {error}") from error

    def all_gather_columns(self, array: Array) -> Array:
        """Row by row, since NCCL puts the parts of ranks one behind the other."""
        num_rows, num_columns = array.shape
        shape = (num_rows, num_columns * self.shard.num_ranks)
        num_bytes = array.nbytes * self.shard.num_ranks
        out = self._gathered[:num_bytes].view(array.dtype).reshape(shape)
        for first in range(0, num_rows, _MAX_GROUPED_ROWS):
            rows = range(first, min(first + _MAX_GROUPED_ROWS, num_rows))
            self._gather_rows(array, out, rows)
        return out

    def _gather_rows(self, array: Array, out: Array, rows: range) -> None:
        row_bytes = array.nbytes // len(array)
        source, target = array.data.ptr, out.data.ptr
        try:
            self._nccl.groupStart()
            for row in rows:
                self._ranks.allGather(
                    source + row * row_bytes,
                    target + row * row_bytes * self.shard.num_ranks,
                    row_bytes,
                    _BYTE,
                    self._stream,
                )
            self._nccl.groupEnd()
        except self._nccl.NcclError as error:
            raise DeviceError(f"a gathering of all ranks failed: {error}") from error


def make_unique_id() -> bytes:
    """For rank 0 to make, once for each start of all ranks."""
    unique_id: bytes = _import_nccl().get_unique_id()
    return unique_id


def _import_nccl() -> Any:
    from cupy.cuda import nccl

    if not nccl.available:
        raise ConfigError("several GPUs need NCCL: pip install nvidia-nccl-cu13, or -cu12")
    return nccl
