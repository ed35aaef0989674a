"""`quantization_config` of a config.json: which Scheme it states, or one sentence on why not.

Formats: github.com/AutoGPTQ/AutoGPTQ, github.com/casper-hansen/AutoAWQ, DeepSeek-V3's and AutoFP8's
`fp8`. Which weights are quantised is not read here: `ignore`, `modules_to_not_convert` and the like
repeat what the tensors themselves show. Knows HuggingFace's names of fields, and no tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from forge_common.checkpoint.quantized.compressed_tensors import CompressedTensors
from forge_common.checkpoint.quantized.scheme import FourOrEight, Grid, Scheme
from forge_common.errors import ModelError

GroupSize = Annotated[int, Meta(ge=-1, le=2**20)]
BlockSide = Annotated[int, Meta(ge=1, le=2**20)]
Name = Annotated[str, Meta(max_length=100)]
WHOLE_ROW = -1  # as files state it

T = TypeVar("T")


class StatedMethod(Struct, frozen=True):
    quant_method: Name | None = None


class StatedGptq(Struct, frozen=True):
    bits: FourOrEight
    group_size: GroupSize
    desc_act: bool = False
    sym: bool = True
    checkpoint_format: Literal["gptq", "gptq_v2"] = "gptq"
    is_marlin_format: bool | None = None
    dynamic: Annotated[dict[str, Any], Meta(max_length=0)] | None = None  # of single layers

    def scheme(self) -> Scheme:
        if self.is_marlin_format:
            raise ValueError("Marlin's layout is not read")
        return Scheme(
            kind="gptq",
            bits=self.bits,
            grid=_rows_of_groups(self.group_size),
            is_symmetric=self.sym,
            has_order=self.desc_act and self.group_size != WHOLE_ROW,
            stores_zeros_less_one=self.checkpoint_format == "gptq",
        )


class StatedAwq(Struct, frozen=True):
    bits: Literal[4]
    group_size: GroupSize
    version: Literal["gemm", "GEMM"] = "gemm"
    zero_point: bool = True

    def scheme(self) -> Scheme:
        if not self.zero_point:
            raise ValueError("AWQ without zero points is not read")
        grid = _rows_of_groups(self.group_size)
        return Scheme(kind="awq", bits=4, grid=grid, is_symmetric=False)


class StatedFp8(Struct, frozen=True):
    weight_block_size: tuple[BlockSide, BlockSide] | None = None
    fmt: Literal["e4m3", "float8_e4m3fn"] = "e4m3"
    expert_dtype: Literal["fp8"] = "fp8"

    def scheme(self) -> Scheme:
        grid = None if self.weight_block_size is None else Grid(*self.weight_block_size)
        return Scheme(kind="fp8", bits=8, grid=grid, is_symmetric=True)


METHODS: Mapping[str, Callable[[dict[str, Any]], Scheme]] = MappingProxyType(
    {
        "gptq": lambda stated: msgspec.convert(stated, StatedGptq).scheme(),
        "awq": lambda stated: msgspec.convert(stated, StatedAwq).scheme(),
        "fp8": lambda stated: msgspec.convert(stated, StatedFp8).scheme(),
        "compressed-tensors": lambda stated: msgspec.convert(stated, CompressedTensors).scheme(),
    }
)


def parse_scheme(stated: dict[str, Any], source: str) -> Scheme:
    """ModelError, naming `source`, for a method or a variant of it that is not computed."""
    where = f"{source}: `quantization_config`"
    try:
        method = msgspec.convert(stated, StatedMethod).quant_method
        if method is None or method not in METHODS:
            named = "names no `quant_method`" if method is None else f"is of the method `{method}`"
            raise ModelError(f"{where} {named}; known: {', '.join(METHODS)}")
        return METHODS[method](stated)
    except ValueError as error:  # msgspec's are, too
        raise ModelError(f"{where}: {error}") from error


def _rows_of_groups(group_size: int) -> Grid:
    if group_size == 0:
        raise ValueError("`group_size` must not be 0")
    return Grid(1, None if group_size == WHOLE_ROW else group_size)
