"""What cached keys and values are kept as on a CPU, and what a block of them takes.

Native kernels keep them in groups of 16 tokens (forge_worker/cpu/native/kv_layout.py), rounded to
bfloat16 where nothing else is asked for; NumPy in float32, token after token. Knows sizes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from forge_common.checkpoint import ModelConfig
from forge_common.config import DeviceSettings
from forge_common.errors import ConfigError
from forge_common.instruction_set import host_instruction_set

KVFormatName = Literal["float32", "bfloat16", "int8"]
GROUP_TOKENS = 16
NUMBER_BYTES: Mapping[KVFormatName, int] = MappingProxyType(
    {"float32": 4, "bfloat16": 2, "int8": 1}
)
SCALE_BYTES: Mapping[KVFormatName, int] = MappingProxyType(
    {"float32": 0, "bfloat16": 0, "int8": 4}  # of a token in a head
)


def native_kv_format(settings: DeviceSettings) -> KVFormatName:
    return "bfloat16" if settings.kv_dtype == "auto" else settings.kv_dtype


def host_kv_format(settings: DeviceSettings) -> KVFormatName | None:
    """None where NumPy keeps them. ConfigError where it is asked for something else."""
    if host_instruction_set(settings.cpu_kernels) is not None:
        return native_kv_format(settings)
    if settings.kv_dtype not in ("auto", "float32"):
        raise ConfigError(
            f"--kv-dtype {settings.kv_dtype}: without native kernels a CPU uses float32"
        )
    return None


def native_block_bytes(config: ModelConfig, block_size: int, name: KVFormatName) -> int:
    """Keys and values of all layers, in whole groups."""
    num_tokens = -(-block_size // GROUP_TOKENS) * GROUP_TOKENS
    row_bytes = config.head_dim * NUMBER_BYTES[name] + SCALE_BYTES[name]
    return 2 * config.num_layers * config.num_kv_heads * num_tokens * row_bytes
