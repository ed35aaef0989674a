"""What weights are kept as on a CPU, and how much memory that takes.

    f32, f16, bf16    as the numbers of a file are
    q8_0 ... q6_k     numbers of ggml's formats of those names, in 4.5 to 8.5 bits a weight

Native kernels keep what a file holds, or what `--dtype` and `--quantize` say, in tiles of 16 rows
and 32 columns (forge_worker/cpu/native/tiles.py); NumPy widens everything to float32. Knows shapes
and formats, not what is computed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from forge_common.checkpoint import TensorInfo
from forge_common.checkpoint.block_formats import BLOCK_FORMATS
from forge_common.config import DeviceSettings, DtypeName, QuantizeName
from forge_common.errors import ConfigError
from forge_common.instruction_set import host_instruction_set

FormatName = Literal["f32", "f16", "bf16", "q8_0", "q4_0", "q4_k", "q5_k", "q6_k"]
TILE_ROWS, TILE_COLUMNS = 16, 32
FLOAT_BYTES = 4
TILE_BYTES: Mapping[FormatName, int] = MappingProxyType(
    {
        "f32": 2048,
        "f16": 1024,
        "bf16": 1024,
        "q8_0": 544,
        "q4_0": 288,
        "q4_k": 296,
        "q5_k": 360,
        "q6_k": 424,
    }
)
AS_STORED: Mapping[str, FormatName] = MappingProxyType(
    {
        "F32": "f32",
        "F16": "f16",
        "BF16": "bf16",
        "Q4_0": "q4_0",
        "Q4_K": "q4_k",
        "Q5_K": "q5_k",
        "Q6_K": "q6_k",
    }
)
OTHER_BLOCKS: FormatName = (
    "q8_0"  # of what has no kernel of its own, and of rows without whole blocks
)
OF_DTYPE: Mapping[DtypeName, FormatName] = MappingProxyType(
    {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
)


class WeightChoice(NamedTuple):
    """What `--dtype` and `--quantize` come to."""

    dtype: DtypeName
    quantize: QuantizeName

    @property
    def text(self) -> str:
        if self.quantize != "none":
            return self.quantize
        return "as the files have them" if self.dtype == "auto" else self.dtype

    @property
    def unquantised(self) -> WeightChoice:
        """For what `--quantize` leaves alone."""
        return self._replace(quantize="none")

    def format_of(self, stored: str, num_columns: int) -> FormatName:
        """Of a matrix whose numbers a file holds as `stored`, in the names of safetensors and of
        GGUF."""
        if self.quantize != "none":
            is_whole = num_columns % BLOCK_FORMATS[self.quantize.upper()].block_elements == 0
            return self.quantize if is_whole else OTHER_BLOCKS
        if self.dtype == "auto":
            return AS_STORED.get(stored, OTHER_BLOCKS)
        return OF_DTYPE[self.dtype]

    def num_bytes(self, tensor: TensorInfo) -> int:
        """Vectors stay float32, as they are few."""
        if len(tensor.shape) != 2:
            return FLOAT_BYTES * math.prod(tensor.shape)
        num_rows, num_columns = tensor.shape
        num_tiles = -(-num_rows // TILE_ROWS) * -(-num_columns // TILE_COLUMNS)
        return num_tiles * TILE_BYTES[self.format_of(tensor.dtype, num_columns)]


def host_weights(settings: DeviceSettings) -> WeightChoice:
    """ConfigError where NumPy would have to compute in something else than float32."""
    if host_instruction_set(settings.cpu_kernels) is not None:
        return WeightChoice(settings.dtype, settings.quantize)
    if settings.dtype not in ("auto", "float32"):
        raise ConfigError(f"--dtype {settings.dtype}: without native kernels a CPU uses float32")
    if settings.quantize != "none":
        raise ConfigError(
            f"--quantize {settings.quantize} needs native kernels: --cpu-kernels auto"
        )
    return WeightChoice("float32", "none")
