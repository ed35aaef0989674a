"""decode: rows of any block format as float32, exactly what the format says they are.

Every product and sum is rounded to float32 in the order ggml's reference has, so that results are
equal to its own bit for bit. Knows which file decodes which format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from forge_common.checkpoint.block_formats import STORED_FORMATS
from forge_worker.quantization.fields import Bytes, Floats
from forge_worker.quantization.iq4 import decode_iq4_nl, decode_iq4_xs
from forge_worker.quantization.q2_k import decode_q2_k
from forge_worker.quantization.q3_k import decode_q3_k
from forge_worker.quantization.q4 import decode_q4_0, decode_q4_1
from forge_worker.quantization.q4_k import decode_q4_k, decode_q5_k
from forge_worker.quantization.q5 import decode_q5_0, decode_q5_1
from forge_worker.quantization.q6_k import decode_q6_k
from forge_worker.quantization.q8 import decode_q8_0, decode_q8_k
from forge_worker.quantization.runs import decode_e4m3, decode_i4

DecodeBlocks = Callable[[Bytes], Floats]  # [n, block_bytes] -> [n, block_elements]
SLAB_ELEMENTS = 2**16  # what is made on the way stays in a core's cache

DECODERS: Mapping[str, DecodeBlocks] = MappingProxyType(
    {
        "Q4_0": decode_q4_0,
        "Q4_1": decode_q4_1,
        "Q5_0": decode_q5_0,
        "Q5_1": decode_q5_1,
        "Q8_0": decode_q8_0,
        "Q2_K": decode_q2_k,
        "Q3_K": decode_q3_k,
        "Q4_K": decode_q4_k,
        "Q5_K": decode_q5_k,
        "Q6_K": decode_q6_k,
        "Q8_K": decode_q8_k,
        "IQ4_NL": decode_iq4_nl,
        "IQ4_XS": decode_iq4_xs,
        "I4_32": decode_i4,
        "I4_64": decode_i4,
        "I4_128": decode_i4,
        "E4M3_128": decode_e4m3,
    }
)


def decode(dtype: str, rows: Bytes, out: Floats) -> None:
    """Blocks [..., row_bytes] to `out` float32 [..., elements], a slab at a time."""
    number_format, decode_blocks = STORED_FORMATS[dtype], DECODERS[dtype]
    raw = rows.reshape(-1, rows.shape[-1])
    flat = out.reshape(-1, out.shape[-1])
    num_rows = max(1, SLAB_ELEMENTS // max(1, out.shape[-1]))
    for start in range(0, len(raw), num_rows):
        slab = raw[start : start + num_rows]
        blocks = slab.reshape(-1, number_format.block_bytes)
        with np.errstate(over="ignore", invalid="ignore"):  # scales may be infinite
            flat[start : start + num_rows] = decode_blocks(blocks).reshape(len(slab), -1)
