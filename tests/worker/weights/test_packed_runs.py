"""Weights told by several tensors come in runs to ops that keep them, number by number the same."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from forge_common.checkpoint import Checkpoint
from forge_common.errors import ModelError
from forge_common.sharding import WHOLE_MODEL, Shard
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.forward_inputs import FloatArray
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from forge_worker.weights.stored_tensor import StoredTensor
from tests.quantized_files import Maker, ModelPair, Quantized, awq, fp8, gptq, packed, write_pair
from tests.worker.test_quantized_models import AWQ, FP8, GPTQ, compressed

SIZES = {"hidden_size": 128, "intermediate_size": 384}
DOWN = "model.layers.0.mlp.down_proj.weight"
UP = "model.layers.0.mlp.up_proj.weight"


class KeepingOps(NumpyOps):
    """Notes what it is told to keep, and widens it."""

    keeps_blocks = True

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[str] = []

    def place_blocks(self, parts: Sequence[StoredTensor]) -> FloatArray:
        self.kept += [part.dtype for part in parts]
        return self.place(parts)


def grouped(size: int, **weights: Any) -> dict[str, Any]:
    return compressed("pack-quantized", num_bits=4, strategy="group", group_size=size, **weights)


def float8(**weights: Any) -> dict[str, Any]:
    return compressed("float-quantized", type="float", **weights)


def sized(stated: dict[str, Any], size: int, **others: Any) -> dict[str, Any]:
    return {**stated, "group_size": size, **others}


CASES: dict[str, tuple[dict[str, Any], Maker, str]] = {
    "gptq": (sized(GPTQ, 128), gptq(4, 128), "I4_128"),
    "gptq of 64": (sized(GPTQ, 64, sym=False), gptq(4, 64, is_symmetric=False), "I4_64"),
    "gptq of 32": (sized(GPTQ, 32, sym=False), gptq(is_symmetric=False), "I4_32"),
    "gptq of 96": (sized(GPTQ, 96), gptq(4, 96), "I4_32"),
    "gptq said to be symmetric": (GPTQ, gptq(is_symmetric=False), "I4_32"),
    "gptq second format": (
        sized(GPTQ, 128, checkpoint_format="gptq_v2"),
        gptq(4, 128, is_second_format=True, is_symmetric=False),
        "I4_128",
    ),
    "gptq whole rows": (sized(GPTQ, -1), gptq(4, -1), "I4_128"),
    "awq": (sized(AWQ, 128), awq(128), "I4_128"),
    "awq of 64": (sized(AWQ, 64), awq(64), "I4_64"),
    "awq of 256": (sized(AWQ, 256), awq(256), "I4_128"),
    "packed": (grouped(128), packed(4, 128), "I4_128"),
    "packed asymmetric": (grouped(32, symmetric=False), packed(is_symmetric=False), "I4_32"),
    "packed channels": (compressed("pack-quantized", num_bits=4), packed(4, None), "I4_128"),
    "fp8": (FP8, fp8((None, None), "weight_scale"), "E4M3_128"),
    "fp8 by rows": (float8(strategy="channel"), fp8((1, None), "weight_scale"), "E4M3_128"),
    "fp8 in blocks": ({**FP8, "weight_block_size": [96, 128]}, fp8((96, 128)), "E4M3_128"),
}
WIDENED: dict[str, tuple[dict[str, Any], Maker]] = {
    "in an order": (sized(GPTQ, 32, desc_act=True), gptq(is_ordered=True)),
    "of 8 bits": (sized(GPTQ, 32, bits=8), gptq(8)),
    "small groups": (sized(GPTQ, 16), gptq(4, 16)),
    "float32 scales": (grouped(32), packed(has_bfloat16_scales=False)),
    "small blocks of floats": ({**FP8, "weight_block_size": [64, 64]}, fp8((64, 64))),
}


def down_of(
    pair: ModelPair, ops: NumpyOps, shard: Shard = WHOLE_MODEL
) -> tuple[FloatArray, FloatArray]:
    """As it was quantised, and as it is in float32."""
    with Checkpoint.open(pair.quantized) as ours, Checkpoint.open(pair.plain) as plain:
        loaders = [WeightLoader(of, ops, lambda *_: None, shard) for of in (ours, plain)]
        found, expected = (loader.load(DOWN, Sharding.INPUTS) for loader in loaders)
    return found, expected


@pytest.mark.parametrize("case", CASES)
def test_numbers_are_the_very_ones(tmp_path: Path, case: str) -> None:
    stated, make, dtype = CASES[case]
    ops = KeepingOps()
    found, expected = down_of(write_pair(tmp_path, stated, make, **SIZES), ops)
    assert ops.kept == [dtype]
    assert (found == expected).all()


@pytest.mark.parametrize("case", WIDENED)
def test_what_runs_do_not_hold_is_widened(tmp_path: Path, case: str) -> None:
    stated, make = WIDENED[case]
    ops = KeepingOps()
    found, expected = down_of(write_pair(tmp_path, stated, make, **SIZES), ops)
    assert ops.kept == []
    assert (found == expected).all()


@pytest.mark.parametrize(("num_ranks", "kept"), [(3, ["I4_128"]), (2, [])])
def test_ranks_take_whole_runs_or_widen_them(
    tmp_path: Path, num_ranks: int, kept: list[str]
) -> None:
    pair = write_pair(tmp_path, sized(AWQ, 128), awq(128), **SIZES, num_key_value_heads=1)
    ops = KeepingOps()
    found, expected = down_of(pair, ops, Shard(1, num_ranks))
    assert ops.kept == kept
    assert (found == expected).all()


def test_experts_are_widened(tmp_path: Path) -> None:
    changes = {"architectures": ["MixtralForCausalLM"], "num_local_experts": 2}
    pair = write_pair(tmp_path, sized(AWQ, 128), awq(128), **SIZES, **changes)
    ops = KeepingOps()
    with Checkpoint.open(pair.quantized) as checkpoint:
        loader = WeightLoader(checkpoint, ops, lambda *_: None)
        names = [name for name in checkpoint.tensors if ".experts." in name]
        assert names
        for name in names:
            loader.load(name)
    assert ops.kept == []


def refused(tmp_path: Path, stated: dict[str, Any], make: Maker, part: str, value: Any) -> None:
    """Of every weight, the second entry of `part` is `value`."""

    def spoiled(generator: np.random.Generator, outputs: int, inputs: int) -> Quantized:
        made = make(generator, outputs, inputs)
        array = made.parts[part]
        bits = getattr(array, "bits", array)
        bits.reshape(-1)[1] = value
        return made

    pair = write_pair(tmp_path, stated, spoiled, **SIZES)
    with (
        Checkpoint.open(pair.quantized) as checkpoint,
        pytest.raises(ModelError, match=r"up_proj\.weight` is not what .* --dtype bfloat16"),
    ):
        WeightLoader(checkpoint, KeepingOps(), lambda *_: None).load(UP)


def test_groups_in_an_order_that_the_config_does_not_state_are_refused(tmp_path: Path) -> None:
    refused(tmp_path, GPTQ, gptq(), "g_idx", 3)


def test_byte_that_is_no_number_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, FP8, fp8((None, None), "weight_scale"), "weight", 0xFF)
