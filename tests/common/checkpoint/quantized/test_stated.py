"""What `quantization_config` states is a scheme, or is refused in one sentence."""

from __future__ import annotations

from typing import Any

import pytest

from forge_common.checkpoint.quantized.scheme import Grid, Scheme
from forge_common.checkpoint.quantized.stated import parse_scheme
from forge_common.errors import ModelError

GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False, "sym": True}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm", "zero_point": True}
FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
INTS = {"num_bits": 4, "type": "int", "symmetric": True, "strategy": "group", "group_size": 128}
COMPRESSED = {
    "quant_method": "compressed-tensors",
    "format": "pack-quantized",
    "config_groups": {"group_0": {"targets": ["Linear"], "weights": INTS}},
    "ignore": ["lm_head"],
    "kv_cache_scheme": None,
    "sparsity_config": {},
    "transform_config": {},
}


def parsed(stated: dict[str, Any], **changes: Any) -> Scheme:
    return parse_scheme({**stated, **changes}, "config.json")


def of_weights(format_name: str, **weights: Any) -> Scheme:
    group = {"weights": {**INTS, **weights}}
    return parsed(COMPRESSED, format=format_name, config_groups={"group_0": group})


def test_gptq_stores_zero_points_less_one() -> None:
    scheme = parsed(GPTQ, true_sequential=True, damp_percent=0.1)
    assert scheme == Scheme(
        kind="gptq", bits=4, grid=Grid(1, 128), is_symmetric=True, stores_zeros_less_one=True
    )
    assert not parsed(GPTQ, checkpoint_format="gptq_v2").stores_zeros_less_one


def test_gptq_has_an_order_only_among_groups() -> None:
    assert parsed(GPTQ, desc_act=True).has_order
    whole = parsed(GPTQ, desc_act=True, group_size=-1)
    assert not whole.has_order
    assert whole.grid == Grid(1, None)


def test_awq_is_never_symmetric() -> None:
    scheme = Scheme(kind="awq", bits=4, grid=Grid(1, 128), is_symmetric=False)
    assert parsed(AWQ) == scheme == parsed(AWQ, version="GEMM", modules_to_not_convert=["gate"])


def test_fp8_has_blocks_or_what_its_scales_say() -> None:
    assert parsed(FP8).grid == Grid(128, 128)
    assert parsed(FP8, weight_block_size=None).grid is None
    assert parsed(FP8, fmt="e4m3", scale_fmt="ue8m0").kind == "fp8"


@pytest.mark.parametrize(
    ("format_name", "weights", "kind", "grid"),
    [
        ("pack-quantized", {}, "packed", Grid(1, 128)),
        ("pack-quantized", {"strategy": "channel", "group_size": None}, "packed", Grid(1, None)),
        ("int-quantized", {"num_bits": 8, "strategy": "tensor"}, "int8", Grid(None, None)),
        ("naive-quantized", {"num_bits": 8, "strategy": "channel"}, "int8", Grid(1, None)),
        ("float-quantized", {"num_bits": 8, "type": "float"}, "fp8", Grid(1, 128)),
        (
            "naive-quantized",
            {
                "num_bits": 8,
                "type": "float",
                "strategy": "block",
                "block_structure": [128, 64],
            },
            "fp8",
            Grid(128, 64),
        ),
        ("int-quantized", {"num_bits": 8, "strategy": None}, "int8", Grid(1, 128)),
        (
            "int-quantized",
            {"num_bits": 8, "strategy": None, "group_size": None},
            "int8",
            Grid(None, None),
        ),
    ],
)
def test_compressed_tensors_are_of_three_kinds(
    format_name: str, weights: dict[str, Any], kind: str, grid: Grid
) -> None:
    scheme = of_weights(format_name, **weights)
    assert (scheme.kind, scheme.grid) == (kind, grid)


@pytest.mark.parametrize(("actorder", "has_order"), [("group", True), ("static", False)])
def test_order_of_groups_is_stored_for_some_ways_to_find_it(actorder: str, has_order: bool) -> None:
    assert of_weights("pack-quantized", actorder=actorder).has_order is has_order


def test_groups_that_agree_are_one_scheme() -> None:
    groups = {name: {"weights": INTS, "targets": [name]} for name in ("a", "b")}
    assert parsed(COMPRESSED, config_groups=groups) == parsed(COMPRESSED)


@pytest.mark.parametrize(
    ("stated", "changes", "match"),
    [
        ({}, {}, r"names no `quant_method`; known: gptq, awq"),
        ({}, {"load_in_8bit": True}, "names no `quant_method`"),
        ({}, {"quant_method": "bitsandbytes"}, "is of the method `bitsandbytes`; known"),
        ({}, {"quant_method": "x" * 1000}, "length <= 100"),
        ({}, {"quant_method": 4}, r"\$\.quant_method"),
        (GPTQ, {"bits": 3}, r"\$\.bits"),
        (GPTQ, {"bits": 2**70}, "bits"),
        (GPTQ, {"group_size": 0}, "`group_size` must not be 0"),
        (GPTQ, {"group_size": -2}, r"\$\.group_size"),
        (GPTQ, {"group_size": 2**40}, r"\$\.group_size"),
        (GPTQ, {"checkpoint_format": "marlin"}, r"'marlin'"),
        (GPTQ, {"is_marlin_format": True}, "Marlin's layout is not read"),
        (GPTQ, {"dynamic": {"-:lm_head": {}}}, r"\$\.dynamic"),
        (AWQ, {"bits": 8}, r"\$\.bits"),
        (AWQ, {"version": "gemv"}, "'gemv'"),
        (AWQ, {"zero_point": False}, "without zero points"),
        (FP8, {"weight_block_size": [0, 128]}, r"\$\.weight_block_size"),
        (FP8, {"weight_block_size": [128]}, r"\$\.weight_block_size"),
        (FP8, {"fmt": "e5m2"}, "'e5m2'"),
        (FP8, {"expert_dtype": "fp4"}, "'fp4'"),
        (COMPRESSED, {"config_groups": {}}, r"\$\.config_groups"),
        (COMPRESSED, {"format": "nvfp4-pack-quantized"}, "'nvfp4-pack-quantized'"),
        (COMPRESSED, {"config_groups": {"g": {}}}, "leave weights as they are"),
        (COMPRESSED, {"transform_config": {"config_groups": {}}}, r"\$\.transform_config"),
        (COMPRESSED, {"sparsity_config": {"format": "sparse-bitmask"}}, "'sparse-bitmask'"),
        (
            COMPRESSED,
            {"config_groups": {"a": {"weights": INTS}, "b": {"weights": {"num_bits": 8}}}},
            "in different ways",
        ),
        (
            COMPRESSED,
            {"config_groups": {"a": {"weights": {**INTS, "type": "float"}}}},
            "type `float` are not pack-quantized",
        ),
        (
            COMPRESSED,
            {"config_groups": {"a": {"weights": {**INTS, "strategy": "block"}}}},
            "needs a `block_structure`",
        ),
        (
            COMPRESSED,
            {
                "format": "naive-quantized",
                "config_groups": {"a": {"weights": {"type": "float", "num_bits": 4}}},
            },
            "must be symmetric, of 8 bits",
        ),
    ],
)
def test_what_is_not_computed_is_refused(
    stated: dict[str, Any], changes: dict[str, Any], match: str
) -> None:
    with pytest.raises(ModelError, match=rf"^config\.json: `quantization_config`:? .*{match}"):
        parsed(stated, **changes)


def test_fields_that_tools_leave_empty_say_nothing() -> None:
    empty = {"is_marlin_format": None, "dynamic": None, "modules_in_block_to_quantize": None}
    assert parsed(GPTQ, **empty) == parsed(GPTQ, dynamic={}) == parsed(GPTQ)
    groups = {"group_0": {"weights": {**INTS, "actorder": None, "block_structure": None}}}
    assert parsed(COMPRESSED, config_groups=groups) == parsed(COMPRESSED)
