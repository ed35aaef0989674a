"""SafeTensors headers: where each tensor lies in a file, checked before anything is mapped.

    ┌────────────┬───────────────────────────────┬──────────────────────────────┐
    │ u64 length │ JSON {name: {dtype, shape,    │ data, tensors end to end,    │
    │ of header  │        data_offsets}}         │ little-endian, row-major     │
    └────────────┴───────────────────────────────┴──────────────────────────────┘

A file is refused unless its tensors cover the data exactly once: no gap, no overlap, no byte
beyond the end. Format: github.com/huggingface/safetensors. Knows nothing of models, and reads
no weights.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from forge_common.checkpoint.json_file import (
    LFS_POINTER,
    decode_json,
    open_file,
    refuse_lfs_pointer,
)
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

LENGTH_BYTES = 8
MAX_HEADER_BYTES = 100_000_000  # the format's own bound
METADATA = "__metadata__"

Size = Annotated[int, Meta(ge=0, lt=2**62)]

ITEM_BYTES: Mapping[str, int] = MappingProxyType(
    {
        **dict.fromkeys(("BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"), 1),
        **dict.fromkeys(("U16", "I16", "F16", "BF16"), 2),
        **dict.fromkeys(("U32", "I32", "F32"), 4),
        **dict.fromkeys(("U64", "I64", "F64"), 8),
    }
)


class StatedTensor(Struct, frozen=True, forbid_unknown_fields=True):
    dtype: str
    shape: Annotated[tuple[Size, ...], Meta(max_length=16)]
    data_offsets: tuple[Size, Size]


def read_header(path: Path) -> dict[str, TensorInfo]:
    """Every tensor of one file; ModelError when the file is not sound."""
    try:
        with open_file(path) as file:
            file_bytes = os.fstat(file.fileno()).st_size
            start = file.read(len(LFS_POINTER))
            refuse_lfs_pointer(start, str(path), "the weights")
            header_bytes = int.from_bytes(start[:LENGTH_BYTES], "little")
            if header_bytes > min(MAX_HEADER_BYTES, file_bytes - LENGTH_BYTES):
                raise ModelError(f"{path}: the header's length ({header_bytes}) is beyond the file")
            file.seek(LENGTH_BYTES)
            text = file.read(header_bytes)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    data_start = LENGTH_BYTES + header_bytes
    tensors = _parse(text, path, data_start)
    _check_coverage(tensors.values(), path, data_start, file_bytes)
    return tensors


def _parse(text: bytes, path: Path, data_start: int) -> dict[str, TensorInfo]:
    entries = decode_json(text, dict[str, msgspec.Raw], f"{path}: the header")
    return {
        name: _tensor_info(name, bytes(raw), path, data_start)
        for name, raw in entries.items()
        if name != METADATA
    }


def _tensor_info(name: str, raw: bytes, path: Path, data_start: int) -> TensorInfo:
    stated = decode_json(raw, StatedTensor, f"{path}: tensor `{name}`")
    start, end = stated.data_offsets
    if stated.dtype not in ITEM_BYTES:
        raise ModelError(f"{path}: tensor `{name}` has the unknown dtype `{stated.dtype}`")
    if end - start != math.prod(stated.shape) * ITEM_BYTES[stated.dtype]:
        raise ModelError(f"{path}: tensor `{name}` does not have the size of its shape and dtype")
    return TensorInfo(name, stated.dtype, stated.shape, path, data_start + start, end - start)


def _check_coverage(
    tensors: Iterable[TensorInfo], path: Path, data_start: int, file_bytes: int
) -> None:
    position = data_start
    for tensor in sorted(tensors, key=lambda tensor: (tensor.offset, tensor.num_bytes)):
        if tensor.offset != position:
            raise ModelError(
                f"{path}: tensor `{tensor.name}` overlaps its neighbour or leaves a gap"
            )
        position += tensor.num_bytes
    if position != file_bytes:
        problem = "it is incomplete" if position > file_bytes else "something follows them"
        raise ModelError(f"{path}: tensors end at {position}, the file at {file_bytes}: {problem}")
