"""Makes `blocks.npz`: random blocks of every format, and the numbers that the `gguf` package reads.

    python -m tests.worker.quantization.make_fixtures     in an environment with `pip install gguf`

The package is the format's own reference; it is not needed to run the tests.
"""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

from forge_common.checkpoint.block_formats import BLOCK_FORMATS

FIXTURES = Path(__file__).with_name("blocks.npz")
NUM_ELEMENTS = 1024  # of each format
UNREAD = "Q8_K"  # which the package cannot read either
# Where float16 numbers lie in a block. Their highest exponent bit is cleared, so that all are
# finite: what a format makes of infinities is no promise.
HALVES = {
    "Q4_0": (0,),
    "Q4_1": (0, 2),
    "Q5_0": (0,),
    "Q5_1": (0, 2),
    "Q8_0": (0,),
    "Q2_K": (80, 82),
    "Q3_K": (108,),
    "Q4_K": (0, 2),
    "Q5_K": (0, 2),
    "Q6_K": (208,),
    "IQ4_NL": (0,),
    "IQ4_XS": (0,),
}


def main() -> None:
    generator = np.random.default_rng(5)
    arrays = {}
    for name, number_format in BLOCK_FORMATS.items():
        if name == UNREAD:
            continue
        num_blocks = NUM_ELEMENTS // number_format.block_elements
        shape = (num_blocks, number_format.block_bytes)
        blocks = generator.integers(0, 256, shape, dtype=np.uint8)
        for start in HALVES[name]:
            blocks[:, start + 1] &= 0xBF
        arrays[f"{name}_blocks"] = blocks
        arrays[f"{name}_numbers"] = gguf.quants.dequantize(blocks, gguf.GGMLQuantizationType[name])
    np.savez_compressed(FIXTURES, **arrays)


if __name__ == "__main__":
    main()
