"""What a tile is filled from: a file's numbers as they are, or in blocks of the format wanted.

Tiles of block formats are filled from blocks. What a file holds otherwise is encoded first, some
rows at a time by all threads, so that no matrix ever lies there in float32. Formats that have no
kernel (Q2_K, Q3_K, Q4_1, Q5_0, Q5_1, Q8_K, IQ4_NL, IQ4_XS) become Q8_0 that way, which moves a
number by at most half a step of 1/127 of its block's largest. Knows no tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_common.weight_format import WeightChoice
from forge_worker.cpu.native.formats import FORMATS, WeightFormat
from forge_worker.forward_inputs import FloatArray
from forge_worker.quantization.encode import encode
from forge_worker.weights.stored_tensor import StoredTensor, widen

SLAB_NUMBERS = 2**18  # that a thread widens at a time


class Source(NamedTuple):
    """A matrix, and what it is packed as."""

    format: WeightFormat
    tensor: StoredTensor

    @property
    def kind(self) -> tuple[WeightFormat, bool]:
        """The format, and whether the tensor is blocks of it; else it is plain numbers."""
        return self.format, self.tensor.dtype in BLOCK_FORMATS


def source_of(stored: StoredTensor, choice: WeightChoice, num_threads: int) -> Source:
    format_ = FORMATS[choice.format_of(stored.dtype, stored.shape[1])]
    blocks = format_.blocks
    is_plain = stored.dtype not in BLOCK_FORMATS
    is_block = blocks is not None and blocks.dtype == stored.dtype
    if is_block or (is_plain and format_.fill_tile is not None):
        return Source(format_, stored)
    if blocks is None:
        wide = np.empty(stored.shape, np.float32)
        widen(stored, wide)
        return Source(format_, StoredTensor("F32", wide))
    return Source(format_, _encoded(stored, blocks.dtype, num_threads))


def joined_vectors(parts: Sequence[StoredTensor]) -> FloatArray:
    joined = np.empty(sum(part.shape[0] for part in parts), np.float32)
    first = 0
    for part in parts:
        widen(part, joined[first : first + part.shape[0]])
        first += part.shape[0]
    return joined


def _encoded(stored: StoredTensor, dtype: str, num_threads: int) -> StoredTensor:
    num_rows, num_columns = stored.shape
    rows = np.empty((num_rows, BLOCK_FORMATS[dtype].row_bytes(num_columns)), np.uint8)
    slab = max(1, SLAB_NUMBERS // num_columns)

    def fill(first: int) -> None:
        some = StoredTensor(stored.dtype, stored.array[first : first + slab])
        wide = np.empty(some.shape, np.float32)
        widen(some, wide)
        rows[first : first + slab] = encode(dtype, wide)

    with ThreadPoolExecutor(num_threads) as threads:
        list(threads.map(fill, range(0, num_rows, slab)))
    return StoredTensor(dtype, rows)  # type: ignore[arg-type]
