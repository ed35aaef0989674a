"""TensorInfo: where one tensor lies on disk, whatever the container."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct


class TensorInfo(Struct, frozen=True):
    """`dtype` is the container's name of the number format, `offset` counts from the file's start.

    `num_paired_heads` is set where rows lie in GGUF's order for rotation: within each of so many
    heads, rows i and i + head_dim / 2 of HuggingFace's order stand side by side.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    offset: int
    num_bytes: int
    num_paired_heads: int | None = None
