"""Sizes of the cache's layout agree with its arrays."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cpu.native.kv_layout import KV_FORMATS, KVFormatName, KVLayout


@pytest.mark.parametrize("name", ["float32", "bfloat16", "int8", "fp8"])
@pytest.mark.parametrize("block_size", [1, 15, 16, 17, 1000])
def test_strides_are_those_of_the_arrays(name: KVFormatName, block_size: int) -> None:
    layout = KVLayout(KV_FORMATS[name], block_size, num_kv_heads=3, head_dim=40)
    for cached in layout.allocate(2):
        assert cached.flags.c_contiguous
        assert cached.shape[:3] == (2, 3, layout.groups_per_block)
        assert cached.strides[:3] == (layout.block_bytes, layout.head_bytes, layout.group_bytes)
        assert (cached == 0).all()


def test_group_holds_16_tokens() -> None:
    for block_size, num_groups in ((1, 1), (16, 1), (17, 2), (1000, 63)):
        assert KVLayout(KV_FORMATS["bfloat16"], block_size, 1, 8).groups_per_block == num_groups


@pytest.mark.parametrize("name", ["int8", "fp8"])
def test_bytes_have_a_scale_of_each_token(name: KVFormatName) -> None:
    layout = KVLayout(KV_FORMATS[name], 16, 1, 64)
    assert layout.group_bytes == 16 * 64 + 16 * np.dtype(np.float32).itemsize
