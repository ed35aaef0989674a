"""Memory that steps use again and again, grown when a step is larger than any before it.

An array's address stays until something grows; `generation` counts that, so that who noted an
address knows when to note it anew. Knows nothing of what is kept.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from forge_worker.cpu.native.pool import Bytes, aligned_bytes

FLOAT_BYTES = 4
FIRST_ROWS = 32


class Buffers:
    """Of rows, as many of each name as the largest step so far had."""

    def __init__(self, spare_rows: int) -> None:
        """`spare_rows`: how many behind the last may be read, whatever is in them."""
        self.generation = 0
        self._spare_rows = spare_rows
        self._rows = FIRST_ROWS
        self._buffers: dict[str, Bytes] = {}
        self._row_bytes: dict[str, int] = {}

    def reserve_rows(self, num_rows: int) -> None:
        """What was there is lost if it grows."""
        if num_rows > self._rows:
            self._rows = max(num_rows, 2 * self._rows)
            self._buffers.clear()
            self.generation += 1

    def address(self, name: str, row_bytes: int) -> int:
        """Of `name`, all of whose rows have room for `row_bytes` each."""
        if row_bytes > self._row_bytes.get(name, 0):
            self._row_bytes[name] = row_bytes
            if self._buffers.pop(name, None) is not None:
                self.generation += 1
        if name not in self._buffers:
            num_rows = self._rows + self._spare_rows
            self._buffers[name] = aligned_bytes(num_rows * self._row_bytes[name])
        return int(self._buffers[name].ctypes.data)

    def floats(self, name: str, num_rows: int, num_columns: int) -> npt.NDArray[np.float32]:
        """[num_rows, num_columns], rows close together."""
        self.address(name, FLOAT_BYTES * num_columns)
        num_bytes = FLOAT_BYTES * num_rows * num_columns
        return self._buffers[name][:num_bytes].view(np.float32).reshape(num_rows, num_columns)
