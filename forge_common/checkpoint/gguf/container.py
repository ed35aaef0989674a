"""One GGUF file: its metadata, and where each tensor lies, checked before anything is used.

    ┌──────┬─────────┬─────────────┬────────────┬──────────┬──────────────┬─────────┬────────────┐
    │ GGUF │ version │ num_tensors │ num_keys   │ keys and │ name, shape, │ padding │ tensors, each
    │      │ u32     │ u64         │ u64        │ values   │ type, offset │         │ padded     │
    └──────┴─────────┴─────────────┴────────────┴──────────┴──────────────┴─────────┴────────────┘

Versions 2 and 3, little-endian. Tensors must lie one behind the other, each at a multiple of
`general.alignment`, and end within the file. Format: github.com/ggml-org/ggml, docs/gguf.md.
Knows nothing of models, and reads no weights.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from forge_common.checkpoint.block_formats import FORMATS_BY_ID
from forge_common.checkpoint.gguf.cursor import SCALAR_CODES, STRING, Cursor
from forge_common.checkpoint.gguf.metadata import Metadata, MetadataValue, StoredArray
from forge_common.checkpoint.json_file import LFS_POINTER, open_file, refuse_lfs_pointer
from forge_common.checkpoint.tensor_info import TensorInfo
from forge_common.errors import ModelError

MAGIC = b"GGUF"
VERSIONS = frozenset({2, 3})
ARRAY = 9
DEFAULT_ALIGNMENT = 32
MAX_ALIGNMENT = 2**16
MAX_HEADER_BYTES = 2**26  # four times that of the largest vocabulary published
MAX_KEYS = 2**16
MAX_TENSORS = 2**18
MAX_ARRAY_ITEMS = 2**22
MAX_DIMENSIONS = 4
MIN_KEY_BYTES = 13  # an empty name, a type, a byte
MIN_TENSOR_BYTES = 24
SCALAR_BYTES = {
    "B": 1,
    "b": 1,
    "?": 1,
    "H": 2,
    "h": 2,
    "I": 4,
    "i": 4,
    "f": 4,
    "Q": 8,
    "q": 8,
    "d": 8,
}

# Formats that there are and that Forge does not read, so that an error can name them.
UNREAD_FORMATS: Mapping[int, str] = MappingProxyType(
    {
        9: "Q8_1",
        16: "IQ2_XXS",
        17: "IQ2_XS",
        18: "IQ3_XXS",
        19: "IQ1_S",
        21: "IQ3_S",
        22: "IQ2_S",
        24: "I8",
        25: "I16",
        26: "I32",
        27: "I64",
        28: "F64",
        29: "IQ1_M",
        34: "TQ1_0",
        35: "TQ2_0",
        39: "MXFP4",
        40: "NVFP4",
        41: "Q1_0",
    }
)


class Container(NamedTuple):
    metadata: Metadata
    tensors: dict[str, TensorInfo]  # by GGUF's names; shapes with the innermost dimension last


class StatedTensor(NamedTuple):
    """A tensor as the header has it: `offset` counts from where the data begins."""

    info: TensorInfo
    offset: int


def read_container(path: Path) -> Container:
    """ModelError, in one sentence, for whatever is wrong with the file."""
    cursor = _open(path)
    num_tensors, num_keys = _counts(cursor)
    metadata = Metadata(_read_values(cursor, num_keys), cursor)
    stated = [_read_tensor(cursor, path) for _ in range(num_tensors)]
    return Container(metadata, _placed(stated, cursor, _alignment(metadata)))


def _open(path: Path) -> Cursor:
    try:
        with open_file(path) as file:
            file_bytes = os.fstat(file.fileno()).st_size
            start = file.read(len(LFS_POINTER))
            refuse_lfs_pointer(start, str(path), "the weights")
            if not start.startswith(MAGIC):
                raise ModelError(f"{path}: is no GGUF file: it does not begin with `GGUF`")
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    cursor = Cursor(mapped, min(file_bytes, MAX_HEADER_BYTES), str(path))
    cursor.skip(len(MAGIC), "its first bytes")
    return cursor


class Counts(NamedTuple):
    num_tensors: int
    num_keys: int


def _counts(cursor: Cursor) -> Counts:
    version = cursor.u32("its version")
    if version not in VERSIONS:
        if version & 0xFFFF == 0:
            raise ModelError(f"{cursor.source}: is big-endian, but Forge reads little-endian files")
        raise ModelError(f"{cursor.source}: is version {version} of GGUF; Forge reads 2 and 3")
    num_tensors = cursor.count(MIN_TENSOR_BYTES, "the count of tensors")
    num_keys = cursor.count(MIN_KEY_BYTES, "the count of metadata keys")
    if num_tensors > MAX_TENSORS or num_keys > MAX_KEYS:
        raise ModelError(
            f"{cursor.source}: has {num_tensors} tensors and {num_keys} keys, but at most"
            f" {MAX_TENSORS} and {MAX_KEYS} are read"
        )
    return Counts(num_tensors, num_keys)


def _read_values(cursor: Cursor, num_keys: int) -> Mapping[str, MetadataValue]:
    values: dict[str, MetadataValue] = {}
    for index in range(num_keys):
        key = cursor.string(f"the name of metadata key {index}")
        what = f"metadata `{key[:100]}`"
        if key in values:
            raise ModelError(f"{cursor.source}: {what} stands there twice")
        values[key] = _read_value(cursor, cursor.u32(what), what)
    return MappingProxyType(values)


def _read_value(cursor: Cursor, type_id: int, what: str) -> MetadataValue:
    if type_id == STRING:
        return cursor.string(what)
    if type_id == ARRAY:
        return _read_array(cursor, what)
    if type_id not in SCALAR_CODES:
        raise ModelError(f"{cursor.source}: {what} has the unknown type {type_id}")
    return cursor.scalar(type_id, what)


def _read_array(cursor: Cursor, what: str) -> StoredArray:
    item_type = cursor.u32(what)
    if item_type == ARRAY:
        raise ModelError(f"{cursor.source}: {what} is a list of lists, which no model has")
    if item_type != STRING and item_type not in SCALAR_CODES:
        raise ModelError(f"{cursor.source}: {what} is a list of the unknown type {item_type}")
    item_bytes = 8 if item_type == STRING else SCALAR_BYTES[SCALAR_CODES[item_type]]
    count = cursor.count(item_bytes, f"the length of {what}")
    if count > MAX_ARRAY_ITEMS:
        raise ModelError(f"{cursor.source}: {what} is longer than {MAX_ARRAY_ITEMS} items")
    start = cursor.position
    if item_type == STRING:
        cursor.skip_strings(count, what)
    else:
        cursor.skip(count * item_bytes, what)
    return StoredArray(item_type, count, start)


def _read_tensor(cursor: Cursor, path: Path) -> StatedTensor:
    name = cursor.string("the name of a tensor")
    what = f"tensor `{name[:100]}`"
    num_dimensions = cursor.u32(what)
    if not 1 <= num_dimensions <= MAX_DIMENSIONS:
        raise ModelError(f"{path}: {what} has {num_dimensions} dimensions")
    shape = tuple(cursor.u64(what) for _ in range(num_dimensions))[::-1]
    type_id, offset = cursor.u32(what), cursor.u64(what)
    number_format = FORMATS_BY_ID.get(type_id)
    if number_format is None:
        known = ", ".join(known.name for known in FORMATS_BY_ID.values())
        raise ModelError(
            f"{path}: {what} is {UNREAD_FORMATS.get(type_id, f'of the unknown type {type_id}')};"
            f" Forge reads {known}"
        )
    if shape[-1] % number_format.block_elements:
        raise ModelError(
            f"{path}: {what} has rows of {shape[-1]} numbers, which are no whole blocks of"
            f" {number_format.name}"
        )
    num_bytes = math.prod(shape[:-1]) * number_format.row_bytes(shape[-1])
    return StatedTensor(TensorInfo(name, number_format.name, shape, path, 0, num_bytes), offset)


def _alignment(metadata: Metadata) -> int:
    alignment = metadata.integer("general.alignment")
    if alignment is None:
        return DEFAULT_ALIGNMENT
    if not 1 <= alignment <= MAX_ALIGNMENT or alignment & (alignment - 1):
        raise ModelError(f"{metadata.source}: `general.alignment` ({alignment}) is no power of two")
    return alignment


def _placed(stated: list[StatedTensor], cursor: Cursor, alignment: int) -> dict[str, TensorInfo]:
    """The tensors where they lie in the file: without overlap, one behind the other."""
    data_start = _aligned(cursor.position, alignment)
    file_bytes = len(cursor.data)
    tensors: dict[str, TensorInfo] = {}
    expected = 0
    for info, offset in sorted(stated, key=lambda tensor: (tensor.offset, tensor.info.num_bytes)):
        what = f"{info.file}: tensor `{info.name[:100]}`"
        if info.name in tensors:
            raise ModelError(f"{what} stands there twice")
        if offset + info.num_bytes > file_bytes - data_start:
            raise ModelError(f"{what} ends beyond the end of the file: it is incomplete")
        if offset != expected:
            raise ModelError(f"{what} overlaps its neighbour or leaves a gap")
        expected = _aligned(offset + info.num_bytes, alignment)
        start = data_start + offset
        tensors[info.name] = TensorInfo(
            info.name, info.dtype, info.shape, info.file, start, info.num_bytes
        )
    return tensors


def _aligned(position: int, alignment: int) -> int:
    return -(-position // alignment) * alignment
