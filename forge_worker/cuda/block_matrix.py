"""BlockMatrix: a weight on the device, in blocks, as kernels/blocks.cuh lays them out.

    memory   [ integers of every row | scales of every row | ... ]      a plane each, see PLANES
    a row    [ group of 128 | group of 128 | ... | filled up with zeros ]

`planes_of` makes the planes of some rows out of blocks as a file has them, so that a lane of a warp
finds its own 16 bytes in one place. Knows bits, not products.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.block_formats import STORED_FORMATS
from forge_common.device_blocks import GROUP, GROUP_BYTES
from forge_worker.ops.protocol import Array
from forge_worker.quantization.fields import Bytes, planes
from forge_worker.quantization.runs import HEAD_BYTES

MEMBERS, FRAGMENT = 4, 8  # lanes that share a row, and neighbours one of them has
FRAGMENTS = GROUP // (MEMBERS * FRAGMENT)  # of a lane in a group

# Bytes a group, plane by plane.
PLANES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "Q8_0": (128, 8),
        "Q4_0": (64, 8),
        "Q4_K": (64, 8),
        "Q6_K": (64, 32, 8, 1),
        "I4_32": (64, 16),
        "I4_64": (64, 8),
        "I4_128": (64, 4),
        "E4M3_128": (128, 4),
    }
)
Planes = tuple[Bytes, ...]  # of rows: [num_rows, bytes of the plane's row] each


class BlockMatrix(NamedTuple):
    """[num_rows, num_columns] in blocks of one format."""

    memory: Array  # uint8 [num_bytes]
    format: str
    num_rows: int
    num_columns: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.num_rows, self.num_columns

    def plane_rows(self) -> list[Array]:
        """uint8 [num_rows, bytes of a row], plane by plane."""
        num_groups = -(-self.num_columns // GROUP)
        found, start = [], 0
        for group_bytes in PLANES[self.format]:
            end = start + self.num_rows * num_groups * group_bytes
            found.append(self.memory[start:end].reshape(self.num_rows, -1))
            start = end
        return found


class JoinedBlocks:
    """Matrices one below the other: what is multiplied as one weight [sum of rows, columns]."""

    def __init__(self, parts: tuple[BlockMatrix, ...]) -> None:
        self.parts = parts
        self.shape = (sum(part.num_rows for part in parts), parts[0].num_columns)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> JoinedBlocks:
        """Of all rows, which is what the only rank asks for."""
        if rows.indices(len(self)) != (0, len(self), 1):
            raise ValueError(f"rows {rows} of {len(self)} in blocks")
        return self


def matrix_bytes(dtype: str, num_rows: int, num_columns: int) -> int:
    return num_rows * -(-num_columns // GROUP) * GROUP_BYTES[dtype]


def planes_of(dtype: str, rows: Bytes) -> Planes:
    """`rows` [n, row_bytes] as a StoredTensor has them."""
    number_format = STORED_FORMATS[dtype]
    blocks = np.ascontiguousarray(rows).reshape(-1, number_format.block_bytes)
    return LAYOUTS[dtype](blocks, len(rows))


def _q8_0(blocks: Bytes, num_rows: int) -> Planes:
    integers = (blocks[:, 2:] ^ np.uint8(128)).reshape(num_rows, -1)
    return _two_pieces(_of_lanes(integers, np.uint8(128))), _scales(blocks[:, :2], num_rows)


def _q4_0(blocks: Bytes, num_rows: int) -> Planes:
    integers = planes(blocks[:, 2:], 16, 4).reshape(num_rows, -1)
    return _nibbles(_of_lanes(integers, np.uint8(8))), _scales(blocks[:, :2], num_rows)


def _q4_k(blocks: Bytes, num_rows: int) -> Planes:
    integers = planes(blocks[:, 16:], 32, 4).reshape(num_rows, -1)
    return _nibbles(_of_lanes(integers, np.uint8(0))), _rows(num_rows, blocks[:, :16])


def _q6_k(blocks: Bytes, num_rows: int) -> Planes:
    low = planes(blocks[:, :128], 64, 4).reshape(num_rows, -1)
    high = _of_lanes(planes(blocks[:, 128:192], 32, 2).reshape(num_rows, -1), np.uint8(0))
    pairs = high[..., :4] | high[..., 4:] << np.uint8(2)  # [n, groups, fragments, members, 4]
    of_two = pairs[:, :, 0::2] | pairs[:, :, 1::2] << np.uint8(4)
    return (
        _nibbles(_of_lanes(low, np.uint8(0))),
        _rows(num_rows, of_two.swapaxes(2, 3)),
        _rows(num_rows, blocks[:, 192:208]),
        _rows(num_rows, blocks[:, 208:210]),
    )


def _i4(blocks: Bytes, num_rows: int) -> Planes:
    fields, run = blocks[:, HEAD_BYTES:], 2 * (blocks.shape[1] - HEAD_BYTES)
    integers = planes(fields, run // 2, 4).reshape(num_rows, -1)
    heads = blocks[:, :HEAD_BYTES].reshape(num_rows, -1)
    padding = -heads.shape[1] % (GROUP // run * HEAD_BYTES)
    return _nibbles(_of_lanes(integers, np.uint8(0))), np.pad(heads, ((0, 0), (0, padding)))


def _e4m3(blocks: Bytes, num_rows: int) -> Planes:
    floats = blocks[:, HEAD_BYTES:].reshape(num_rows, -1)
    lanes = _of_lanes(floats, np.uint8(0))
    return _two_pieces(lanes), _rows(num_rows, blocks[:, :HEAD_BYTES])


LAYOUTS: Mapping[str, Callable[[Bytes, int], Planes]] = MappingProxyType(
    {
        "Q8_0": _q8_0,
        "Q4_0": _q4_0,
        "Q4_K": _q4_k,
        "Q6_K": _q6_k,
        "I4_32": _i4,
        "I4_64": _i4,
        "I4_128": _i4,
        "E4M3_128": _e4m3,
    }
)


def _of_lanes(integers: Bytes, zero: np.uint8) -> Bytes:
    """[n, columns] as [n, groups, fragments, members, 8], filled up with what stands for 0."""
    num_rows, num_columns = integers.shape
    padding = ((0, 0), (0, -num_columns % GROUP))
    whole = np.pad(integers, padding, constant_values=zero)
    return whole.reshape(num_rows, -1, FRAGMENTS, MEMBERS, FRAGMENT)


def _two_pieces(lanes: Bytes) -> Bytes:
    """Bytes as `_of_lanes` has them: a member's first two fragments, and its last two."""
    pieces = lanes.reshape(*lanes.shape[:2], 2, 2, MEMBERS, FRAGMENT)
    return _rows(len(lanes), pieces.swapaxes(3, 4))


def _nibbles(lanes: Bytes) -> Bytes:
    """Integers of four bits as `_of_lanes` has them: a member's fragments behind each other."""
    joined = lanes[..., :4] | lanes[..., 4:] << np.uint8(4)
    return _rows(len(lanes), joined.swapaxes(2, 3))


def _scales(halves: Bytes, num_rows: int) -> Bytes:
    """One for 32 numbers, and zeros to the end of the last group."""
    rows = halves.reshape(num_rows, -1)
    return np.pad(rows, ((0, 0), (0, -rows.shape[1] % (2 * FRAGMENTS))))


def _rows(num_rows: int, array: Bytes) -> Bytes:
    return np.ascontiguousarray(array).reshape(num_rows, -1)
