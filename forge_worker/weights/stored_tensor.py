"""StoredTensor: numbers as a file holds them, not yet copied anywhere.

    F32, F16    an array of them, [...]
    BF16        their bits, uint16 [...]
    Q8_0, ...   blocks, uint8 [..., row_bytes], of a format in `quantization/`
    I4_32, ...  runs, uint8 [rows, row_bytes]: what a GPU keeps of weights told by several tensors

Knows formats of numbers, not names, files or devices.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint.block_formats import STORED_FORMATS
from forge_common.device_blocks import RunFormatName
from forge_worker.forward_inputs import FloatArray
from forge_worker.quantization.decode import decode

PlainDtype: TypeAlias = Literal["BF16", "F16", "F32"]
BlockDtype: TypeAlias = Literal[
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q5_1",
    "Q8_0",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
    "Q8_K",
    "IQ4_NL",
    "IQ4_XS",
]
StoredDtype: TypeAlias = PlainDtype | BlockDtype | RunFormatName
BFLOAT16_SHIFT = 16  # bfloat16 is the upper half of a float32


class StoredTensor(NamedTuple):
    dtype: StoredDtype
    array: npt.NDArray[Any]  # mostly a view of a mapped file, maybe with gaps

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the numbers."""
        if self.dtype not in STORED_FORMATS:
            return self.array.shape
        number_format = STORED_FORMATS[self.dtype]
        num_blocks = self.array.shape[-1] // number_format.block_bytes
        return (*self.array.shape[:-1], num_blocks * number_format.block_elements)


def widen(stored: StoredTensor, out: FloatArray) -> None:
    """Write the numbers to `out`, exactly, with at most a slab of them between."""
    if stored.dtype in STORED_FORMATS:
        decode(stored.dtype, stored.array, out)
    elif stored.dtype == "BF16":
        widened = out.view(np.uint32)
        np.copyto(widened, stored.array)
        np.left_shift(widened, BFLOAT16_SHIFT, out=widened)
    else:
        np.copyto(out, stored.array)


def cut_between_blocks(stored: StoredTensor, num_parts: int) -> StoredTensor:
    """`stored` itself where its rows fall into `num_parts` of whole blocks, else widened."""
    if stored.dtype not in STORED_FORMATS or stored.array.ndim == 1:
        return stored
    num_blocks = stored.array.shape[-1] // STORED_FORMATS[stored.dtype].block_bytes
    if num_blocks % num_parts == 0:
        return stored
    wide = np.empty(stored.shape, np.float32)
    widen(stored, wide)
    return StoredTensor("F32", wide)
