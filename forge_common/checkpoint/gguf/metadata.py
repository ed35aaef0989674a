"""Metadata: the keys of a GGUF file and their values, each of the type it was asked for as.

Arrays stay in the mapped file until they are asked for: a vocabulary is hundreds of thousands of
strings. Knows types, not what any key means.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from typing import NamedTuple

from forge_common.checkpoint.gguf.cursor import BOOL, SCALAR_CODES, STRING, U64, Cursor
from forge_common.errors import ModelError

INTEGERS = "BbHhIiQq"
FLOATS = "fd"


class StoredArray(NamedTuple):
    item_type: int
    num_items: int
    start: int  # in the file, of the first item


MetadataValue = int | float | bool | str | StoredArray


class Metadata:
    def __init__(self, values: Mapping[str, MetadataValue], cursor: Cursor) -> None:
        """`cursor` read the values; its data holds the arrays."""
        self._values = values
        self._cursor = cursor

    @property
    def source(self) -> str:
        return self._cursor.source

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def keys(self) -> list[str]:
        return list(self._values)

    def integer(self, key: str) -> int | None:
        """None where the file has no such key; ModelError where its value is of another type."""
        value = self._values.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        raise self._mistyped(key, "a whole number")

    def number(self, key: str) -> float | None:
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return float(value)
        raise self._mistyped(key, "a finite number")

    def boolean(self, key: str) -> bool | None:
        value = self._values.get(key)
        if value is None or isinstance(value, bool):
            return value
        raise self._mistyped(key, "true or false")

    def text(self, key: str) -> str | None:
        value = self._values.get(key)
        if value is None or isinstance(value, str):
            return value
        raise self._mistyped(key, "a string")

    def texts(self, key: str) -> list[str] | None:
        array = self._array(key, "a list of strings")
        if array is None:
            return None
        if array.item_type != STRING:
            raise self._mistyped(key, "a list of strings")
        data, position, found = self._cursor.data, array.start, []
        try:
            for _ in range(array.num_items):
                start = position + 8
                position = start + U64.unpack_from(data, position)[0]
                found.append(data[start:position].decode("utf-8"))
        except UnicodeDecodeError as error:
            raise ModelError(
                f"{self.source}: `{key}` has a string that is no valid UTF-8"
            ) from error
        return found

    def uniform(self, key: str) -> int | None:
        """A whole number, or a list of one for each layer that are all the same."""
        if not isinstance(self._values.get(key), StoredArray):
            return self.integer(key)
        numbers = set(self.integers(key) or ())
        if len(numbers) != 1:
            raise ModelError(f"{self.source}: `{key}` differs between layers, which is unsupported")
        return numbers.pop()

    def integers(self, key: str) -> list[int] | None:
        return self._numbers(key, INTEGERS, "a list of whole numbers")

    def floats(self, key: str) -> list[float] | None:
        numbers = self._numbers(key, INTEGERS + FLOATS, "a list of numbers")
        return None if numbers is None else [float(number) for number in numbers]

    def _numbers(self, key: str, codes: str, what: str) -> list[int] | None:
        array = self._array(key, what)
        if array is None:
            return None
        code = SCALAR_CODES.get(array.item_type, "")
        if not code or code not in codes or array.item_type == BOOL:
            raise self._mistyped(key, what)
        return list(struct.unpack_from(f"<{array.num_items}{code}", self._cursor.data, array.start))

    def _array(self, key: str, what: str) -> StoredArray | None:
        value = self._values.get(key)
        if value is None or isinstance(value, StoredArray):
            return value
        raise self._mistyped(key, what)

    def _mistyped(self, key: str, what: str) -> ModelError:
        return ModelError(f"{self.source}: `{key}` should be {what}")
