"""The tensors of a quantised weight are one tensor, or what contradicts that is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from forge_common.checkpoint.quantized.assembly import assembled
from forge_common.checkpoint.quantized.scheme import Grid, Scheme
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

GPTQ = Scheme(kind="gptq", bits=4, grid=Grid(1, 32), is_symmetric=True)
AWQ = Scheme(kind="awq", bits=4, grid=Grid(1, 32), is_symmetric=False)
PACKED = Scheme(kind="packed", bits=4, grid=Grid(1, 32), is_symmetric=True)
INT8 = Scheme(kind="int8", bits=8, grid=Grid(1, None), is_symmetric=False)
FP8 = Scheme(kind="fp8", bits=8, grid=Grid(32, 32), is_symmetric=True)

Stated = dict[str, tuple[str, tuple[int, ...]]]

# Of weights [48, 64].
GPTQ_PARTS: Stated = {
    "a.qweight": ("I32", (8, 48)),
    "a.qzeros": ("I32", (2, 6)),
    "a.scales": ("F16", (2, 48)),
    "a.g_idx": ("I32", (64,)),
}
AWQ_PARTS: Stated = {
    "a.qweight": ("I32", (64, 6)),
    "a.qzeros": ("I32", (2, 6)),
    "a.scales": ("F16", (2, 48)),
}
PACKED_PARTS: Stated = {
    "a.weight_packed": ("I32", (48, 8)),
    "a.weight_scale": ("BF16", (48, 2)),
    "a.weight_shape": ("I64", (2,)),
}
INT8_PARTS: Stated = {
    "a.weight": ("I8", (48, 64)),
    "a.weight_scale": ("BF16", (48, 1)),
    "a.weight_zero_point": ("I8", (48, 1)),
}
FP8_PARTS: Stated = {
    "a.weight": ("F8_E4M3", (48, 64)),
    "a.weight_scale_inv": ("F32", (2, 2)),
}
CASES: list[tuple[Scheme, Stated]] = [
    (GPTQ, GPTQ_PARTS),
    (AWQ, AWQ_PARTS),
    (PACKED, PACKED_PARTS),
    (INT8, INT8_PARTS),
    (FP8, FP8_PARTS),
]


def of(stated: Stated, scheme: Scheme) -> dict[str, TensorInfo]:
    tensors = {
        name: TensorInfo(name, dtype, shape, Path("m.safetensors"), 100 * index, 10)
        for index, (name, (dtype, shape)) in enumerate(stated.items())
    }
    return assembled(tensors, scheme)


@pytest.mark.parametrize(("scheme", "parts"), CASES)
def test_parts_are_one_weight(scheme: Scheme, parts: Stated) -> None:
    tensors = of({**parts, "b.weight": ("F16", (3, 4))}, scheme)
    assert tensors.keys() == {"a.weight", "b.weight"}
    assert tensors["a.weight"].shape == (48, 64)
    assert tensors["a.weight"].num_bytes == 10 * len(parts)
    assert tensors["b.weight"].packed is None


@pytest.mark.parametrize(("scheme", "parts"), CASES)
def test_scales_must_be_there(scheme: Scheme, parts: Stated) -> None:
    scales = next(name for name in parts if "scale" in name)
    left = {name: part for name, part in parts.items() if name != scales}
    with pytest.raises(ModelError, match=rf"m\.safetensors: tensor `{scales}` is missing beside"):
        of(left, scheme)


@pytest.mark.parametrize(("scheme", "parts"), CASES)
def test_every_part_has_the_shape_of_the_others(scheme: Scheme, parts: Stated) -> None:
    for name in list(parts)[1:]:
        dtype, shape = parts[name]
        wrong = {**parts, name: (dtype, (*shape[:-1], shape[-1] + 1))}
        with pytest.raises(ModelError, match=rf"m\.safetensors: tensor `{name}` has shape"):
            of(wrong, scheme)


@pytest.mark.parametrize(("scheme", "parts"), CASES)
def test_every_part_has_a_dtype_of_its_own(scheme: Scheme, parts: Stated) -> None:
    for name, (_, shape) in parts.items():
        if name == "a.weight":
            continue
        with pytest.raises(ModelError, match=rf"`{name}` is F64; as part of a quantised weight"):
            of({**parts, name: ("F64", shape)}, scheme)


@pytest.mark.parametrize(("scheme", "parts"), [(INT8, INT8_PARTS), (FP8, FP8_PARTS)])
def test_weight_of_another_dtype_is_none_of_the_quantised(scheme: Scheme, parts: Stated) -> None:
    tensors = of({**parts, "a.weight": ("BF16", (48, 64))}, scheme)
    assert tensors["a.weight"].packed is None
    assert len(tensors) == len(parts)


def test_integers_of_bytes_are_no_words() -> None:
    with pytest.raises(ModelError, match="is I8; as part of a quantised weight it must be I32"):
        of({**GPTQ_PARTS, "a.qweight": ("I8", (8, 48))}, GPTQ)


@pytest.mark.parametrize(
    ("scheme", "parts", "missing", "match"),
    [
        (GPTQ, GPTQ_PARTS, "a.qzeros", "the zero points of `a.qweight` are missing"),
        (INT8, INT8_PARTS, "a.weight_zero_point", "the zero points of `a.weight` are missing"),
        (
            Scheme(kind="gptq", bits=4, grid=Grid(1, 32), is_symmetric=True, has_order=True),
            GPTQ_PARTS,
            "a.g_idx",
            "the order of the groups of `a.qweight` is missing",
        ),
    ],
)
def test_what_the_scheme_needs_must_be_there(
    scheme: Scheme, parts: Stated, missing: str, match: str
) -> None:
    with pytest.raises(ModelError, match=match):
        of({name: part for name, part in parts.items() if name != missing}, scheme)


@pytest.mark.parametrize("shape", [(8, 0), (8,), (2, 4, 48), ()])
def test_integers_must_be_a_matrix(shape: tuple[int, ...]) -> None:
    with pytest.raises(ModelError, match=r"`a\.qweight` is no matrix"):
        of({**GPTQ_PARTS, "a.qweight": ("I32", shape)}, GPTQ)


def test_group_size_that_is_not_the_files_is_refused() -> None:
    scheme = Scheme(kind="gptq", bits=4, grid=Grid(1, 64), is_symmetric=True)
    with pytest.raises(ModelError, match=r"`a.scales` has shape \[2, 48\], but \[1, 48\] follows"):
        of(GPTQ_PARTS, scheme)


def test_weight_that_is_there_twice_is_refused() -> None:
    with pytest.raises(ModelError, match=r"`a\.weight` is there twice"):
        of({**GPTQ_PARTS, "a.weight": ("F16", (48, 64))}, GPTQ)


def test_parts_without_integers_stay_and_so_are_surplus() -> None:
    assert "b.scales" in of({**GPTQ_PARTS, "b.scales": ("F16", (2, 48))}, GPTQ)


def test_scales_of_activations_are_dropped() -> None:
    extra: Stated = {"a.input_scale": ("F32", ()), "self_attn.k_scale": ("F32", ())}
    assert of({**FP8_PARTS, **extra}, FP8).keys() == {"a.weight"}


@pytest.mark.parametrize("shape", [(), (1,), (1, 1), (48,), (48, 1)])
def test_fp8_without_blocks_has_one_scale_or_one_a_row(shape: tuple[int, ...]) -> None:
    scheme = Scheme(kind="fp8", bits=8, grid=None, is_symmetric=True)
    parts: Stated = {"a.weight": ("F8_E4M3", (48, 64)), "a.weight_scale": ("F32", shape)}
    packed: Any = of(parts, scheme)["a.weight"].packed
    expected = (1, 64) if 48 in shape else (48, 64)
    assert (packed.rows_per_scale, packed.columns_per_scale) == expected


def test_fp8_with_other_scales_is_refused() -> None:
    scheme = Scheme(kind="fp8", bits=8, grid=None, is_symmetric=True)
    parts: Stated = {"a.weight": ("F8_E4M3", (48, 64)), "a.weight_scale": ("F32", (3,))}
    with pytest.raises(ModelError, match=r"has shape \[3\], but \[48, 1\] follows"):
        of(parts, scheme)
