"""MirroredTable: a RaggedTable whose rows stand on the device too.

What is set or extended is uploaded with the next flush; what is appended is not, since tokens that
the device sampled it has put there itself. Knows nothing of what the integers mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forge_worker.cuda.device_tables import Table
from forge_worker.cuda.upload import UploadRing
from forge_worker.forward_inputs import IntArray
from forge_worker.ragged_table import RaggedTable


class MirroredTable(RaggedTable):
    def __init__(self, table: Table, ring: UploadRing) -> None:
        super().__init__(table.num_rows, table.row_words)
        self._table = table
        self._ring = ring

    def set(self, row: int, values: Sequence[int] | IntArray) -> None:
        super().set(row, values)
        self._upload(row, 0, values)

    def extend(self, row: int, values: Sequence[int]) -> None:
        start = int(self.lengths[row])
        super().extend(row, values)
        self._upload(row, start, values)

    def _upload(self, row: int, start: int, values: Sequence[int] | IntArray) -> None:
        if len(values):
            self._ring.write(self._table.word(row, start), np.asarray(values, np.int32))
