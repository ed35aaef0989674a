"""Cursor: reads numbers and strings one after the other, never beyond the end of what is there.

Everything a GGUF file counts is checked here against the bytes left, before it is used. Knows
little-endian bytes, nothing of what they describe.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Mapping
from types import MappingProxyType

from forge_common.errors import ModelError

U32 = struct.Struct("<I")
U64 = struct.Struct("<Q")
STRING = 8
BOOL = 7

# GGUF's numbered types of plain values, as codes of `struct`.
SCALAR_CODES: Mapping[int, str] = MappingProxyType(
    {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", BOOL: "?", 10: "Q", 11: "q", 12: "d"}
)


class Cursor:
    def __init__(self, data: mmap.mmap, end: int, source: str) -> None:
        """Of `data`, the bytes before `end` may be read; `source` names the file in errors."""
        self.data = data
        self.end = end
        self.source = source
        self.position = 0

    def skip(self, num_bytes: int, what: str) -> int:
        """Where the `num_bytes` begin that are stepped over; ModelError where they are not there.

        Errors of this class say that the file ends inside `what`.
        """
        start = self.position
        if num_bytes > self.end - start:
            raise self._incomplete(what)
        self.position = start + num_bytes
        return start

    def u32(self, what: str) -> int:
        number: int = U32.unpack_from(self.data, self.skip(4, what))[0]
        return number

    def u64(self, what: str) -> int:
        number: int = U64.unpack_from(self.data, self.skip(8, what))[0]
        return number

    def count(self, item_bytes: int, what: str) -> int:
        """A count of items of at least `item_bytes` each, no more of them than there is room."""
        number = self.u64(what)
        if number * item_bytes > self.end - self.position:
            raise ModelError(
                f"{self.source}: {what} says {number}, more than the file has room for"
            )
        return number

    def scalar(self, type_id: int, what: str) -> int | float | bool:
        code = SCALAR_CODES[type_id]
        if type_id == BOOL:
            return self.data[self.skip(1, what)] != 0
        start = self.skip(struct.calcsize(code), what)
        value: int | float = struct.unpack_from("<" + code, self.data, start)[0]
        return value

    def string(self, what: str) -> str:
        length = self.u64(what)
        start = self.skip(length, what)
        return self.decoded(start, length, what)

    def skip_strings(self, count: int, what: str) -> None:
        """Step over `count` strings; there may be hundreds of thousands of them."""
        data, position, last_length = self.data, self.position, self.end - 8
        unpack = U64.unpack_from
        for _ in range(count):
            if position > last_length:
                raise self._incomplete(what)
            position += 8 + unpack(data, position)[0]
        if position > self.end:
            raise self._incomplete(what)
        self.position = position

    def decoded(self, start: int, length: int, what: str) -> str:
        try:
            return self.data[start : start + length].decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelError(f"{self.source}: {what} is no valid UTF-8") from error

    def _incomplete(self, what: str) -> ModelError:
        if self.end < len(self.data):
            return ModelError(f"{self.source}: the header is longer than {self.end} bytes")
        return ModelError(f"{self.source}: the header ends inside {what}: it is incomplete")
