"""The several tensors of each quantised weight as one, under the name the weight would have.

    X.qweight, X.qzeros, X.scales, X.g_idx    ──▶    X.weight

Which weights are quantised is what the file shows: a weight of either kind means the same wherever
it stands. What goes with a quantised one must be there, and of the shape that the scheme implies;
what belongs to none keeps its name, so that whoever expects certain tensors finds it surplus.
Scales of activations are dropped: activations are not quantised. Knows headers, not numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from forge_common.checkpoint.quantized.scheme import Scheme, SchemeKind
from forge_common.checkpoint.quantized.shapes import (
    Found,
    check_dtype,
    handed_on_as,
    packed_weight,
    weight_shape,
)
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

WEIGHT = "weight"


class Names(NamedTuple):
    """How the tensors of a weight end, by what they hold; any one of several for scales."""

    numbers: str
    dtype: str  # of the numbers
    scales: tuple[str, ...]
    zeros: str | None = None
    order: str | None = None
    stated_shape: str | None = None


NAMES: Mapping[SchemeKind, Names] = MappingProxyType(
    {
        "gptq": Names("qweight", "I32", ("scales",), "qzeros", "g_idx"),
        "awq": Names("qweight", "I32", ("scales",), "qzeros"),
        "packed": Names(
            "weight_packed",
            "I32",
            ("weight_scale",),
            "weight_zero_point",
            "weight_g_idx",
            "weight_shape",
        ),
        "int8": Names(WEIGHT, "I8", ("weight_scale",), "weight_zero_point"),
        "fp8": Names(WEIGHT, "F8_E4M3", ("weight_scale_inv", "weight_scale")),
    }
)
OF_ACTIVATIONS = (
    "input_scale",
    "input_zero_point",
    "output_scale",
    "output_zero_point",
    "q_scale",
    "k_scale",
    "v_scale",
)


def assembled(tensors: Mapping[str, TensorInfo], scheme: Scheme) -> dict[str, TensorInfo]:
    """ModelError, naming file and tensor, where parts are missing or contradict one another."""
    names = NAMES[scheme.kind]
    rest = dict(tensors)
    whole: dict[str, TensorInfo] = {}
    for name, tensor in tensors.items():
        module, _, ending = name.rpartition(".")
        if ending == names.numbers and (ending != WEIGHT or tensor.dtype == names.dtype):
            weight = _one(f"{module}.{WEIGHT}", _take(rest, module, names), scheme)
            whole[weight.name] = weight
    for name in whole.keys() & rest.keys():
        raise ModelError(f"{rest[name].file}: tensor `{name}` is there twice, once quantised")
    kept = {n: t for n, t in rest.items() if n.rpartition(".")[2] not in OF_ACTIVATIONS}
    return kept | whole


def _take(rest: dict[str, TensorInfo], module: str, names: Names) -> Found:
    """Out of `rest`, all tensors of one weight."""

    def take(ending: str | None) -> TensorInfo | None:
        return None if ending is None else rest.pop(f"{module}.{ending}", None)

    numbers = rest.pop(f"{module}.{names.numbers}")
    check_dtype(numbers, (names.dtype,))
    scales = next(filter(None, map(take, names.scales)), None)
    if scales is None:
        raise ModelError(
            f"{numbers.file}: tensor `{module}.{names.scales[0]}` is missing beside"
            f" `{numbers.name}`"
        )
    return Found(numbers, scales, take(names.zeros), take(names.order), take(names.stated_shape))


def _one(name: str, found: Found, scheme: Scheme) -> TensorInfo:
    shape = weight_shape(found.numbers, scheme)
    weight = packed_weight(found, scheme, shape)
    return TensorInfo(
        name=name,
        dtype=handed_on_as(weight, shape),
        shape=shape,
        file=found.numbers.file,
        offset=found.numbers.offset,
        num_bytes=sum(part.num_bytes for part in weight.parts),
        packed=weight,
    )
