"""A quantised checkpoint computes the very logits that its numbers give in float32."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from forge_common.backend_memory import HostMemory
from forge_common.checkpoint import Checkpoint
from forge_common.config import BatchSettings, CacheSettings, DeviceSettings
from forge_common.memory_plan import plan_memory
from forge_common.sharding import Shard
from forge_worker.cpu.numpy_ops import NumpyOps
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from forge_worker.parallel.sharding import Sharding
from forge_worker.weights.loader import WeightLoader
from tests.common.checkpoint.files import write_json
from tests.quantized_files import Maker, awq, fp8, gptq, int8, packed, write_pair
from tests.worker.forward import Runner

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6]
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 32, "desc_act": False, "sym": True}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 32, "version": "gemm", "zero_point": True}
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic"}
DOWN = "model.layers.0.mlp.down_proj.weight"
UP = "model.layers.0.mlp.up_proj.weight"


def compressed(format_name: str, **weights: Any) -> dict[str, Any]:
    args = {"type": "int", "num_bits": 8, "symmetric": True, "strategy": "channel", **weights}
    group = {"targets": ["Linear"], "weights": args, "input_activations": None}
    return {
        "quant_method": "compressed-tensors",
        "format": format_name,
        "config_groups": {"group_0": group},
        "ignore": ["lm_head", "re:.*gate$"],
        "quantization_status": "compressed",
    }


def grouped(**weights: Any) -> dict[str, Any]:
    return compressed("pack-quantized", strategy="group", group_size=32, **weights)


CASES: dict[str, tuple[dict[str, Any], Maker, str]] = {
    "gptq": (GPTQ, gptq(), "Q4_0"),
    "gptq asymmetric": ({**GPTQ, "sym": False}, gptq(is_symmetric=False), "Q8_0"),
    "gptq whole rows": ({**GPTQ, "group_size": -1}, gptq(group_size=-1), "Q4_0"),
    "gptq in an order": ({**GPTQ, "desc_act": True}, gptq(is_ordered=True), "F32"),
    "gptq small groups": ({**GPTQ, "group_size": 16}, gptq(group_size=16), "F32"),
    "gptq 8 bits": ({**GPTQ, "bits": 8}, gptq(8), "Q8_0"),
    "gptq 8 bits asymmetric": (
        {**GPTQ, "bits": 8, "sym": False},
        gptq(8, is_symmetric=False),
        "F32",
    ),
    "gptq second format": (
        {**GPTQ, "checkpoint_format": "gptq_v2"},
        gptq(is_second_format=True),
        "Q4_0",
    ),
    "gptq with empty biases": (GPTQ, gptq(has_bias=True), "Q4_0"),
    "gptq said to be symmetric": (GPTQ, gptq(is_symmetric=False), "Q4_0"),
    "awq": (AWQ, awq(), "Q8_0"),
    "awq whole rows": ({**AWQ, "group_size": -1}, awq(-1), "Q8_0"),
    "fp8": (FP8, fp8((None, None), "weight_scale"), "F32"),
    "fp8 by rows": (FP8, fp8((1, None), "weight_scale"), "F32"),
    "fp8 in blocks": ({**FP8, "weight_block_size": [48, 40]}, fp8((48, 40)), "F32"),
    "packed": (grouped(num_bits=4), packed(), "Q4_0"),
    "packed asymmetric": (
        grouped(num_bits=4, symmetric=False),
        packed(is_symmetric=False),
        "Q8_0",
    ),
    "packed in an order": (grouped(num_bits=4, actorder="group"), packed(is_ordered=True), "F32"),
    "packed channels": (compressed("pack-quantized", num_bits=4), packed(4, None), "Q4_0"),
    "packed 8 bits": (grouped(num_bits=8), packed(8), "Q8_0"),
    "packed float32 scales": (grouped(num_bits=4), packed(has_bfloat16_scales=False), "F32"),
    "int8": (compressed("int-quantized"), int8(), "Q8_0"),
    "int8 asymmetric": (
        compressed("int-quantized", symmetric=False),
        int8(is_symmetric=False),
        "F32",
    ),
    "int8 groups": (
        compressed("naive-quantized", strategy="group", group_size=32),
        int8(32),
        "Q8_0",
    ),
    "float8": (
        compressed("float-quantized", type="float", strategy="channel"),
        fp8((1, None), "weight_scale"),
        "F32",
    ),
    "float8 tensor": (
        compressed("float-quantized", type="float", strategy="tensor"),
        fp8((None, None), "weight_scale"),
        "F32",
    ),
    "float8 in blocks": (
        compressed("float-quantized", type="float", strategy="block", block_structure=[32, 32]),
        fp8((32, 32), "weight_scale"),
        "F32",
    ),
}


def loaded(path: Path) -> Model:
    return load_model(
        path, DeviceSettings(threads=1, cpu_kernels="numpy"), lambda done, total: None
    )


def logits(path: Path) -> np.ndarray:
    return Runner(loaded(path)).step({0: PROMPT})[0]


@pytest.mark.parametrize("case", CASES)
def test_logits_are_those_of_the_same_numbers_in_float32(tmp_path: Path, case: str) -> None:
    stated, make, dtype = CASES[case]
    pair = write_pair(tmp_path, stated, make)
    with Checkpoint.open(pair.quantized) as checkpoint:
        assert checkpoint.tensors[DOWN].dtype == dtype
    assert (logits(pair.quantized) == logits(pair.plain)).all()


@pytest.mark.parametrize(
    "changes",
    [
        {"architectures": ["Phi3ForCausalLM"]},
        {"architectures": ["Qwen2ForCausalLM"], "sliding_window": None},
        {"architectures": ["MixtralForCausalLM"], "num_local_experts": 4},
        {"tie_word_embeddings": True},
    ],
)
@pytest.mark.parametrize("case", ["gptq asymmetric", "awq", "fp8 in blocks", "packed"])
def test_families_say_the_same(tmp_path: Path, case: str, changes: dict[str, object]) -> None:
    stated, make, _ = CASES[case]
    pair = write_pair(tmp_path, stated, make, **changes)
    ours, plain = (Runner(loaded(path)).greedy({0: PROMPT}, 12) for path in pair)
    assert ours == plain


@pytest.mark.parametrize("modules", [("lm_head",), ("embed_tokens", "up_proj"), ("1.mlp.up_proj",)])
def test_any_weights_may_be_quantised(tmp_path: Path, modules: tuple[str, ...]) -> None:
    stated, make, _ = CASES["gptq"]
    pair = write_pair(tmp_path, stated, make, modules)
    with Checkpoint.open(pair.quantized) as checkpoint:
        quantized = {name for name, tensor in checkpoint.tensors.items() if tensor.packed}
    assert quantized
    assert all(name.removesuffix(".weight").endswith(modules) for name in quantized)
    assert (logits(pair.quantized) == logits(pair.plain)).all()


def test_parts_of_a_weight_may_lie_in_several_files(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, AWQ, awq())
    split(pair.quantized)
    assert (logits(pair.quantized) == logits(pair.plain)).all()


def split(directory: Path) -> None:
    """Every other tensor into a second file."""
    tensors = load_file(directory / "model.safetensors")
    weight_map = {}
    for half in (0, 1):
        file_name = f"model-{half}.safetensors"
        names = sorted(tensors)[half::2]
        weight_map |= dict.fromkeys(names, file_name)
        save_file({name: tensors[name] for name in names}, directory / file_name)
    (directory / "model.safetensors").unlink()
    write_json(directory / "model.safetensors.index.json", {"weight_map": weight_map})


@pytest.mark.parametrize("case", ["gptq", "awq", "gptq in an order", "fp8 in blocks"])
@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_take_their_part_of_the_numbers(tmp_path: Path, case: str, rank: int) -> None:
    stated, make, _ = CASES[case]
    pair = write_pair(tmp_path, stated, make)
    shard = Shard(rank, 2)
    with Checkpoint.open(pair.quantized) as ours, Checkpoint.open(pair.plain) as plain:
        parts = [WeightLoader(of, NumpyOps(), lambda *_: None, shard) for of in (ours, plain)]
        for name, sharding in ((DOWN, Sharding.INPUTS), (UP, Sharding.OUTPUTS)):
            mine, expected = (loader.load(name, sharding) for loader in parts)
            assert (mine == expected).all()


def test_plan_counts_the_weights_and_not_what_tells_them(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, GPTQ, gptq())
    with Checkpoint.open(pair.quantized) as ours, Checkpoint.open(pair.plain) as plain:
        assert ours.num_bytes < plain.num_bytes
        planned = [
            plan_memory(of, CacheSettings(), BatchSettings(), None, HostMemory(2**34))
            for of in (ours, plain)
        ]
    assert planned[0] == planned[1]


def test_progress_counts_the_bytes_of_all_parts(tmp_path: Path) -> None:
    pair = write_pair(tmp_path, AWQ, awq())
    seen: list[tuple[int, int]] = []
    with Checkpoint.open(pair.quantized) as checkpoint:
        loader = WeightLoader(checkpoint, NumpyOps(), lambda *step: seen.append(step))
        for name in checkpoint.tensors:
            loader.load(name)
        assert seen[-1] == (checkpoint.num_bytes, checkpoint.num_bytes)
