"""TensorInfo: where one tensor lies on disk, whatever the container."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from forge_common.checkpoint.quantized.scheme import Scheme


class TensorInfo(Struct, frozen=True):
    """`dtype` is the container's name of the number format, `offset` counts from the file's start.

    `num_paired_heads` is set where rows lie in GGUF's order for rotation: within each of so many
    heads, rows i and i + head_dim / 2 of HuggingFace's order stand side by side.

    `packed` is set where a weight is told by several tensors: then `dtype` is what it is handed on
    as, `num_bytes` those of all of them, and `file` and `offset` are of the integers.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    num_bytes: int
    num_paired_heads: int | None = None
    packed: PackedWeight | None = None


class PackedWeight(Struct, frozen=True, kw_only=True):
    """The tensors that tell one weight; their shapes and dtypes agree with one another."""

    scheme: Scheme
    rows_per_scale: int
    columns_per_scale: int
    numbers: TensorInfo
    scales: TensorInfo
    zeros: TensorInfo | None  # zero points
    order: TensorInfo | None  # the group of each input
    stated_shape: TensorInfo | None  # what the weight's shape is said to be

    @property
    def parts(self) -> tuple[TensorInfo, ...]:
        parts = (self.numbers, self.scales, self.zeros, self.order, self.stated_shape)
        return tuple(part for part in parts if part is not None)
