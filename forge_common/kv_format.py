"""What cached keys and values are kept as, and what a block of them takes.

A CPU's native kernels keep them in groups of 16 tokens (forge_worker/cpu/native/kv_layout.py),
rounded to bfloat16 where nothing else is asked for; NumPy in float32, token after token. A GPU
keeps them as it computes, or as bytes (forge_worker/cuda/kernels/cached.cuh). Knows sizes alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from forge_common.checkpoint import ModelConfig
from forge_common.config import DeviceSettings, KVDtypeName
from forge_common.errors import ConfigError
from forge_common.instruction_set import host_instruction_set

KVFormatName = Literal["float32", "bfloat16", "int8", "fp8"]
DeviceKVName = Literal["computed", "int8", "fp8"]  # on a GPU; as it computes, or narrower
GROUP_TOKENS = 16
DEVICE_TILE_ALIGNMENT = 16
NUMBER_BYTES: Mapping[KVFormatName, int] = MappingProxyType(
    {"float32": 4, "bfloat16": 2, "int8": 1, "fp8": 1}
)
SCALE_BYTES: Mapping[KVFormatName, int] = MappingProxyType(
    {"float32": 0, "bfloat16": 0, "int8": 4, "fp8": 4}  # of a token in a head
)


DEVICE_FORMATS: Mapping[KVDtypeName, DeviceKVName] = MappingProxyType(
    {"auto": "computed", "int8": "int8", "fp8": "fp8", "fp8_e4m3": "fp8"}
)
NATIVE_FORMATS: Mapping[KVDtypeName, KVFormatName] = MappingProxyType(
    {
        "auto": "bfloat16",
        "float32": "float32",
        "bfloat16": "bfloat16",
        "int8": "int8",
        "fp8": "fp8",
        "fp8_e4m3": "fp8",  # as others name the only form of it that there is here
    }
)


def native_kv_format(settings: DeviceSettings) -> KVFormatName:
    return NATIVE_FORMATS[settings.kv_dtype]


def device_kv_format(settings: DeviceSettings) -> DeviceKVName:
    """ConfigError where a GPU keeps nothing as it is asked for."""
    if settings.kv_dtype not in DEVICE_FORMATS:
        raise ConfigError(
            f"--kv-dtype {settings.kv_dtype} needs --backend cpu: a GPU keeps KV in the precision"
            " it computes in (--dtype), or in int8 or fp8"
        )
    return DEVICE_FORMATS[settings.kv_dtype]


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


def device_block_bytes(
    config: ModelConfig, block_size: int, name: DeviceKVName, element_bytes: int
) -> int:
    """Keys and values of all layers."""
    tile_bytes = device_tile_bytes(block_size, config.head_dim, name, element_bytes)
    return 2 * config.num_layers * config.num_kv_heads * tile_bytes


def device_tile_bytes(
    block_size: int, head_dim: int, name: DeviceKVName, element_bytes: int
) -> int:
    """What the keys, or the values, of one head in one block take."""
    if name == "computed":
        return block_size * head_dim * element_bytes
    num_bytes = block_size * (head_dim * NUMBER_BYTES[name] + SCALE_BYTES[name])
    return -(-num_bytes // DEVICE_TILE_ALIGNMENT) * DEVICE_TILE_ALIGNMENT
