"""Which format a weight of a file becomes: what `--dtype` and `--quantize` come to on a CPU."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from forge_common.config import DtypeName, QuantizeName
from forge_worker.cpu.native.tiles import FormatName
from forge_worker.weights.stored_tensor import StoredDtype

AS_STORED: Mapping[StoredDtype, FormatName] = MappingProxyType(
    {"F32": "f32", "F16": "f16", "BF16": "bf16"}
)
OF_DTYPE: Mapping[DtypeName, FormatName] = MappingProxyType(
    {"float32": "f32", "float16": "f16", "bfloat16": "bf16"}
)


class WeightChoice(NamedTuple):
    dtype: DtypeName
    quantize: QuantizeName

    def format_of(self, stored: StoredDtype) -> FormatName:
        if self.quantize != "none":
            return self.quantize
        return AS_STORED[stored] if self.dtype == "auto" else OF_DTYPE[self.dtype]
