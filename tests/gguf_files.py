"""Writes GGUF files, sound ones and broken ones, byte by byte. Knows the container, no model."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from forge_common.checkpoint.block_formats import FORMATS_BY_ID

TYPE_IDS = {number_format.name: type_id for type_id, number_format in FORMATS_BY_ID.items()}
U32, I32, F32, BOOL, STRING, ARRAY, U64 = 4, 5, 6, 7, 8, 9, 10
ALIGNMENT = 32


class Typed(NamedTuple):
    """A value of a type that `value_bytes` would not choose, already as bytes."""

    type_id: int
    raw: bytes


class FileTensor(NamedTuple):
    """`shape` as NumPy has it; `raw` is what the file holds."""

    dtype: str
    shape: tuple[int, ...]
    raw: bytes


def plain(array: np.ndarray[Any, Any]) -> FileTensor:
    """float32, float16, or bfloat16 as its bits in uint16."""
    dtype = {"float32": "F32", "float16": "F16", "uint16": "BF16"}[array.dtype.name]
    return FileTensor(dtype, array.shape, np.ascontiguousarray(array).tobytes())


def gguf_bytes(
    metadata: Mapping[str, Any],
    tensors: Mapping[str, FileTensor] | None = None,
    *,
    version: int = 3,
) -> bytes:
    tensors = tensors or {}
    alignment = metadata.get("general.alignment", ALIGNMENT)
    header = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for key, value in metadata.items():
        typed = typed_value(value)
        header += string_bytes(key) + struct.pack("<I", typed.type_id) + typed.raw
    data = b""
    for name, tensor in tensors.items():
        header += tensor_bytes(name, tensor, len(data))
        data += padded(tensor.raw, alignment)
    return padded(header, alignment) + data


def write_gguf(
    path: Path, metadata: Mapping[str, Any], tensors: Mapping[str, FileTensor] | None = None
) -> Path:
    path.write_bytes(gguf_bytes(metadata, tensors))
    return path


def tensor_bytes(name: str, tensor: FileTensor, offset: int) -> bytes:
    dimensions = tensor.shape[::-1]
    shape = struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
    return string_bytes(name) + shape + struct.pack("<IQ", TYPE_IDS[tensor.dtype], offset)


def typed_value(value: Any) -> Typed:
    match value:
        case Typed():
            return value
        case bool():
            return Typed(BOOL, struct.pack("<?", value))
        case int():
            return Typed(I32, struct.pack("<i", value)) if value < 0 else u32(value)
        case float():
            return Typed(F32, struct.pack("<f", value))
        case str():
            return Typed(STRING, string_bytes(value))
        case list():
            return list_value(value)
    raise TypeError(value)


def u32(value: int) -> Typed:
    return Typed(U32, struct.pack("<I", value))


def list_value(values: list[Any]) -> Typed:
    """Of strings, of floats, or of whole numbers."""
    if values and isinstance(values[0], str):
        item_type, raw = STRING, b"".join(map(string_bytes, values))
    elif values and isinstance(values[0], float):
        item_type, raw = F32, np.array(values, "<f4").tobytes()
    else:
        item_type, raw = I32, np.array(values, "<i4").tobytes()
    return Typed(ARRAY, struct.pack("<IQ", item_type, len(values)) + raw)


def string_bytes(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def padded(raw: bytes, alignment: int) -> bytes:
    return raw + bytes(-len(raw) % alignment)
