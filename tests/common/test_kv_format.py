"""What `--kv-dtype` comes to on a CPU and on a GPU, and what a block then takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.config import DeviceSettings, KVDtypeName
from forge_common.errors import ConfigError
from forge_common.kv_format import (
    DeviceKVName,
    KVFormatName,
    device_block_bytes,
    device_kv_format,
    host_kv_format,
    native_block_bytes,
    native_kv_format,
)
from tests.worker.tiny_models import write_model_config

HEADS = 2 * 3 * 2  # keys and values, layers, KV heads


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("auto", "bfloat16"), ("int8", "int8"), ("fp8", "fp8"), ("fp8_e4m3", "fp8")],
)
def test_native_kernels_keep_what_is_asked_for(asked: KVDtypeName, expected: KVFormatName) -> None:
    assert native_kv_format(DeviceSettings(kv_dtype=asked)) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [("auto", "computed"), ("int8", "int8"), ("fp8", "fp8"), ("fp8_e4m3", "fp8")],
)
def test_a_gpu_keeps_bytes_where_they_are_asked_for(
    asked: KVDtypeName, expected: DeviceKVName
) -> None:
    assert device_kv_format(DeviceSettings(kv_dtype=asked)) == expected


@pytest.mark.parametrize("asked", ["float32", "bfloat16"])
def test_a_gpu_computes_in_the_precision_it_keeps(asked: KVDtypeName) -> None:
    with pytest.raises(ConfigError, match=f"--kv-dtype {asked} needs --backend cpu"):
        device_kv_format(DeviceSettings(kv_dtype=asked))


def test_numpy_has_float32_alone() -> None:
    with pytest.raises(ConfigError, match="without native kernels a CPU uses float32"):
        host_kv_format(DeviceSettings(cpu_kernels="numpy", kv_dtype="fp8"))


def test_blocks_of_bytes_have_their_scales(tmp_path: Path) -> None:
    config = write_model_config(
        tmp_path, head_dim=40, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2
    )
    for name in ("int8", "fp8"):
        assert native_block_bytes(config, 20, name) == HEADS * 32 * (40 + 4)
        assert device_block_bytes(config, 16, name, 2) == HEADS * 16 * (40 + 4)
        assert device_block_bytes(config, 5, name, 2) == HEADS * 224  # 220, and up to 16 bytes
    assert device_block_bytes(config, 16, "computed", 2) == HEADS * 16 * 40 * 2
