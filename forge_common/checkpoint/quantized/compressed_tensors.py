"""The `quantization_config` that llm-compressor writes: `quant_method` compressed-tensors.

    pack-quantized    integers in words     weight_packed, weight_scale, weight_shape
                                            [, weight_zero_point, weight_g_idx]
    int-quantized     a signed byte each    weight, weight_scale [, weight_zero_point]
    float-quantized   fp8                   weight, weight_scale
    naive-quantized   one of the last two

One scheme for all quantised weights; what it says of activations changes no weight and is not read.
Format: github.com/vllm-project/compressed-tensors. Knows fields, and no tensors.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from forge_common.checkpoint.quantized.scheme import FourOrEight, Grid, Scheme, SchemeKind

Side = Annotated[int, Meta(ge=1, le=2**20)]
Format = Literal["pack-quantized", "int-quantized", "float-quantized", "naive-quantized"]
Empty = Annotated[dict[str, Any], Meta(max_length=0)]
MAX_GROUPS = 64


class StatedWeights(Struct, frozen=True):
    num_bits: FourOrEight = 8
    type: Literal["int", "float"] = "int"
    symmetric: bool = True
    strategy: Literal["tensor", "channel", "group", "block"] | None = None
    group_size: Annotated[int, Meta(ge=-1, le=2**20)] | None = None
    block_structure: tuple[Side, Side] | None = None
    actorder: Literal["group", "dynamic", "weight", "static"] | bool | None = None

    def grid(self) -> Grid | None:
        size = None if self.group_size in (None, 0, -1) else self.group_size
        strategy = self.strategy or ("tensor" if self.group_size is None else "group")
        match strategy:
            case "tensor":
                return Grid(None, None)
            case "channel":
                return Grid(1, None)
            case "block":
                if self.block_structure is None:
                    raise ValueError("the strategy `block` needs a `block_structure`")
                return Grid(*self.block_structure)
            case "group":
                return Grid(1, size)

    @property
    def has_order(self) -> bool:
        return self.actorder in ("group", "dynamic", True)


class StatedGroup(Struct, frozen=True):
    weights: StatedWeights | None = None
    format: Format | None = None


class StatedSparsity(Struct, frozen=True):
    format: Literal["dense"] = "dense"


class CompressedTensors(Struct, frozen=True):
    config_groups: Annotated[dict[str, StatedGroup], Meta(min_length=1, max_length=MAX_GROUPS)]
    format: Format
    sparsity_config: StatedSparsity | None = None
    transforms: Empty | None = field(default=None, name="transform_config")

    def scheme(self) -> Scheme:
        """ValueError, in one sentence, where there is not exactly one, or it contradicts itself."""
        schemes = {self._scheme_of(group) for group in self.config_groups.values()}
        if len(schemes) != 1:
            raise ValueError("`config_groups` quantise weights in different ways")
        return schemes.pop()

    def _scheme_of(self, group: StatedGroup) -> Scheme:
        weights = group.weights
        if weights is None:
            raise ValueError("`config_groups` leave weights as they are in a group")
        kind = _kind(group.format or self.format, weights)
        if kind == "fp8" and not (weights.num_bits == 8 and weights.symmetric):
            raise ValueError("floats must be symmetric, of 8 bits")
        return Scheme(
            kind=kind,
            bits=weights.num_bits,
            grid=weights.grid(),
            is_symmetric=weights.symmetric,
            has_order=weights.has_order,
        )


def _kind(format_name: Format, weights: StatedWeights) -> SchemeKind:
    is_float = weights.type == "float"
    if is_float != (format_name == "float-quantized") and format_name != "naive-quantized":
        raise ValueError(f"weights of type `{weights.type}` are not {format_name}")
    if is_float:
        return "fp8"
    return "packed" if format_name == "pack-quantized" else "int8"
