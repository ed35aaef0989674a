"""encode: rows of numbers in a block format, for weights that come wider than they are to be kept.

Knows which formats can be written and which to use instead where rows have no whole blocks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_worker.quantization.fields import Bytes, Floats
from forge_worker.quantization.q4 import encode_q4_0
from forge_worker.quantization.q4_k import encode_q4_k, encode_q5_k
from forge_worker.quantization.q6_k import encode_q6_k
from forge_worker.quantization.q8 import encode_q8_0

EncodeBlocks = Callable[[Floats], Bytes]  # [n, block_elements] -> [n, block_bytes]
SLAB_ELEMENTS = 2**16  # what is made on the way stays in a core's cache

ENCODERS: Mapping[str, EncodeBlocks] = MappingProxyType(
    {
        "Q4_0": encode_q4_0,
        "Q8_0": encode_q8_0,
        "Q4_K": encode_q4_k,
        "Q5_K": encode_q5_k,
        "Q6_K": encode_q6_k,
    }
)

SMALLER_BLOCKS: Mapping[str, str] = MappingProxyType(
    {"Q4_K": "Q8_0", "Q5_K": "Q8_0", "Q6_K": "Q8_0"}
)


def encode(dtype: str, values: Floats) -> Bytes:
    """float32 [..., elements] to blocks [..., row_bytes]; rows must be whole blocks, and finite."""
    number_format, encode_blocks = BLOCK_FORMATS[dtype], ENCODERS[dtype]
    row_bytes = number_format.row_bytes(values.shape[-1])
    blocks = values.reshape(-1, number_format.block_elements)
    encoded = np.empty((len(blocks), number_format.block_bytes), np.uint8)
    num_blocks = SLAB_ELEMENTS // number_format.block_elements
    for start in range(0, len(blocks), num_blocks):
        slab = blocks[start : start + num_blocks]
        encoded[start : start + num_blocks] = encode_blocks(slab)
    return encoded.reshape(*values.shape[:-1], row_bytes)


def format_for(dtype: str, num_elements: int) -> str | None:
    """`dtype` where rows of `num_elements` are whole blocks of it, else one with smaller blocks
    that loses no more; None where no format fits, so that the numbers stay as they are."""
    for candidate in (dtype, SMALLER_BLOCKS.get(dtype, dtype)):
        if num_elements % BLOCK_FORMATS[candidate].block_elements == 0:
            return candidate
    return None
