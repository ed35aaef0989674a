"""Sizes of the cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from forge_common.backend_memory import kv_bytes_per_token
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.kv_cache import allocate_kv_cache
from tests.worker.tiny_models import write_model_config


def test_bytes_of_a_block_are_those_planned(tmp_path: Path) -> None:
    config = write_model_config(tmp_path)
    cache = allocate_kv_cache(config, NumpyOps(), num_blocks=5, block_size=16)
    allocated = sum(layer.keys.nbytes + layer.values.nbytes for layer in cache.layers)
    assert allocated == 5 * 16 * kv_bytes_per_token(config)


def test_each_layer_has_its_own_arrays(tmp_path: Path) -> None:
    cache = allocate_kv_cache(write_model_config(tmp_path), NumpyOps(), 3, 8)
    assert len({id(array) for layer in cache.layers for array in layer}) == 4
    assert cache.layers[0].keys.shape == (3, 8, 2, 8)
    assert cache.block_size == 8


def test_fresh_cache_is_finite(tmp_path: Path) -> None:
    cache = allocate_kv_cache(write_model_config(tmp_path), NumpyOps(), 3, 8)
    assert all(np.isfinite(array).all() for layer in cache.layers for array in layer)
