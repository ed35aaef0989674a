"""The divisors of rotary frequencies that some files have as a tensor: Llama 3.1's, worked out.

Knows one small float32 tensor.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

from forge_common.checkpoint.gguf.tensors import ROPE_DIVISORS
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

MAX_DIVISORS = 2**11


def read_divisors(tensors: Mapping[str, TensorInfo]) -> list[float] | None:
    """One for each pair of dimensions; None where the model has none."""
    stored = tensors.get(ROPE_DIVISORS)
    if stored is None:
        return None
    if stored.dtype != "F32" or len(stored.shape) != 1 or stored.shape[0] > MAX_DIVISORS:
        raise ModelError(f"{stored.file}: `{ROPE_DIVISORS}` should be a short list of F32 numbers")
    try:
        with stored.file.open("rb") as file:
            file.seek(stored.offset)
            return list(struct.unpack(f"<{stored.shape[0]}f", file.read(stored.num_bytes)))
    except OSError as error:
        raise ModelError(f"{stored.file}: {error.strerror or error}") from error
