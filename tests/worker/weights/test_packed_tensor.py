"""What only the numbers of a quantised weight show is refused in one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_common.checkpoint import Checkpoint
from forge_common.errors import ModelError
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.packed_tensor import read_packed
from tests.quantized_files import Quantized, gptq, packed, write_pair

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": True}
PACKED = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {
        "group_0": {"weights": {"num_bits": 4, "strategy": "group", "group_size": 32}}
    },
}
UP = "model.layers.0.mlp.up_proj.weight"
Spoil = Callable[[dict[str, Any]], None]


def opened(directory: Path, stated: dict[str, Any], make: Any, spoil: Spoil) -> Checkpoint:
    def spoiled(generator: np.random.Generator, outputs: int, inputs: int) -> Quantized:
        made = make(generator, outputs, inputs)
        spoil(made.parts)
        return made

    return Checkpoint.open(write_pair(directory, stated, spoiled).quantized)


def loaded(checkpoint: Checkpoint) -> np.ndarray:
    return WeightLoader(checkpoint, NumpyOps(), lambda *_: None).load(UP)


@pytest.mark.parametrize("group", [-1, 2, 2**31 - 1, -(2**31)])
def test_group_that_is_not_there_is_named(tmp_path: Path, group: int) -> None:
    def spoil(parts: dict[str, Any]) -> None:
        parts["g_idx"][5] = group

    with (
        opened(tmp_path, GPTQ, gptq(is_ordered=True), spoil) as checkpoint,
        pytest.raises(ModelError, match=r"up_proj\.g_idx` names a group beyond the 2 that there"),
    ):
        loaded(checkpoint)


def test_stated_shape_must_be_that_of_the_integers(tmp_path: Path) -> None:
    def spoil(parts: dict[str, Any]) -> None:
        parts["weight_shape"] = np.array([96, 60])

    with (
        opened(tmp_path, PACKED, packed(), spoil) as checkpoint,
        pytest.raises(ModelError, match=r"says \[96, 60\], but `.*weight_packed` holds \[96, 64\]"),
    ):
        loaded(checkpoint)


def test_bias_that_is_not_empty_belongs_to_no_part(tmp_path: Path) -> None:
    def spoil(parts: dict[str, Any]) -> None:
        parts["bias"] = np.ones(1, np.float16)

    with (
        opened(tmp_path, GPTQ, gptq(), spoil) as checkpoint,
        pytest.raises(ModelError, match=r"_proj\.bias` belongs to no part"),
    ):
        loaded(checkpoint)


def test_order_of_neighbours_is_none(tmp_path: Path) -> None:
    stated = {**GPTQ, "desc_act": False, "sym": True}
    with opened(tmp_path, stated, gptq(), lambda parts: None) as checkpoint:
        tensor = checkpoint.tensors[UP]
        assert tensor.packed is not None
        assert read_packed(checkpoint, tensor, tensor.packed).dtype == "Q4_0"


def test_scale_that_half_precision_lacks_makes_numbers_wide(tmp_path: Path) -> None:
    def spoil(parts: dict[str, Any]) -> None:
        bits = parts["weight_scale"].bits
        bits[0, 0] = 0x2000  # 1.1e-19

    with opened(tmp_path, PACKED, packed(), spoil) as checkpoint:
        tensor = checkpoint.tensors[UP]
        assert tensor.dtype == "Q4_0"
        assert tensor.packed is not None
        assert read_packed(checkpoint, tensor, tensor.packed).dtype == "F32"


def test_parts_of_a_weight_are_no_array(tmp_path: Path) -> None:
    with (
        opened(tmp_path, GPTQ, gptq(), lambda parts: None) as checkpoint,
        pytest.raises(ValueError, match="lies in several places"),
    ):
        checkpoint.array(UP)
