"""What a GPU keeps in blocks, told from headers alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint import TensorInfo
from forge_common.checkpoint.quantized.scheme import Grid, Scheme, SchemeKind
from forge_common.checkpoint.tensor_info import PackedWeight
from forge_common.device_blocks import block_bytes, kept_as, kept_blocks

FILE = Path("model.safetensors")
GATE, UP = "model.layers.0.mlp.gate_proj.weight", "model.layers.0.mlp.up_proj.weight"
EXPERT = "model.layers.0.mlp.experts.3.up_proj.weight"


def plain(name: str, dtype: str, shape: tuple[int, ...] = (40, 384)) -> TensorInfo:
    return TensorInfo(name, dtype, shape, FILE, 0, 0)


def told_by_several(
    name: str = UP,
    kind: SchemeKind = "gptq",
    size: int = 128,
    *,
    num_columns: int = 384,
    has_order: bool = False,
    scales: str = "F16",
) -> TensorInfo:
    bits = 8 if kind in ("fp8", "int8") else 4
    scheme = Scheme(
        kind=kind, bits=bits, grid=Grid(1, size), is_symmetric=True, has_order=has_order
    )
    packed = PackedWeight(
        scheme=scheme,
        rows_per_scale=1,
        columns_per_scale=size,
        numbers=plain("numbers", "I32"),
        scales=plain("scales", scales),
        zeros=None,
        order=None,
        stated_shape=None,
    )
    return TensorInfo(name, "Q4_0", (40, num_columns), FILE, 0, 0, packed=packed)


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (plain(UP, "Q6_K"), "Q6_K"),
        (plain(UP, "Q5_K"), None),
        (plain(UP, "BF16"), None),
        (plain(EXPERT, "Q4_K"), None),
        (told_by_several(), "I4_128"),
        (told_by_several(kind="awq", size=64), "I4_64"),
        (told_by_several(kind="packed", size=96, scales="BF16"), "I4_32"),
        (told_by_several(size=128, num_columns=448), "I4_64"),
        (told_by_several(size=448, num_columns=448), "I4_64"),
        (told_by_several(size=16), None),
        (told_by_several(num_columns=40, size=40), None),
        (told_by_several(has_order=True), None),
        (told_by_several(scales="F32"), None),
        (told_by_several(kind="int8"), None),
        (told_by_several(kind="fp8", scales="F32"), "E4M3_128"),
        (told_by_several(kind="fp8", size=384, scales="F32"), "E4M3_128"),
        (told_by_several(kind="fp8", size=64, scales="F32"), None),
        (told_by_several(EXPERT), None),
    ],
)
def test_format_is_the_smallest_that_holds_the_numbers(
    tensor: TensorInfo, expected: str | None
) -> None:
    assert kept_as(tensor) == expected


@pytest.mark.parametrize(
    ("tensor", "bits"),
    [
        (told_by_several(), 4.25),
        (told_by_several(size=64), 4.5),
        (told_by_several(size=32), 5.0),
        (told_by_several(kind="fp8"), 8.25),
    ],
)
def test_bytes_are_those_of_whole_groups(tensor: TensorInfo, bits: float) -> None:
    assert block_bytes(tensor) == 40 * 384 * bits / 8


def test_weights_that_are_joined_are_kept_together_or_not_at_all() -> None:
    both = [told_by_several(GATE), told_by_several(UP, "fp8")]
    kept = kept_blocks(both)
    assert kept.formats == ("E4M3_128", "I4_128")
    assert kept.largest_elements == 2 * 40 * 384
    assert kept_blocks([both[0], plain(UP, "BF16")]).tensors == frozenset()
