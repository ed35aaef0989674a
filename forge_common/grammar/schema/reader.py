"""SchemaReader: the keywords of one schema with the shapes they must have.

Whatever has another shape is refused with its pointer. Knows nothing of what keywords mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from typing import NamedTuple

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.schema.addresses import pointer_token
from forge_common.grammar.schema.documents import Document, Place
from forge_common.grammar.schema.json_values import exact, is_number

MAX_COUNT = 2**53 - 1


class NamedPlace(NamedTuple):
    name: str
    place: Place


class SchemaReader:
    def __init__(self, document: Document, place: Place) -> None:
        schema = document.schema(place)
        self._document = document
        self._keywords: Mapping[str, object] = {} if isinstance(schema, bool) else schema
        self.place = place

    def __contains__(self, keyword: str) -> bool:
        return keyword in self._keywords

    def __iter__(self) -> Iterator[str]:
        return iter(self._keywords)

    def raw(self, keyword: str) -> object:
        return self._keywords.get(keyword)

    def error(self, keyword: str, reason: str) -> GrammarError:
        pointer = self._document.pointer(self.place) + pointer_token(keyword)
        return GrammarError(reason, pointer=pointer, keyword=keyword)

    @contextmanager
    def at(self, keyword: str) -> Iterator[None]:
        """Errors from within say that they are of this keyword."""
        try:
            yield
        except GrammarError as error:
            raise self._located(error, keyword) from error

    def _located(self, error: GrammarError, keyword: str) -> GrammarError:
        pointer = self._document.pointer(self.place) + pointer_token(keyword)
        return error.located(pointer, keyword)

    def child(self, keyword: str, *path: str) -> Place:
        return self._document.child(self.place, keyword, *path)

    def children(self, keyword: str) -> list[Place]:
        value = self._keywords[keyword]
        if not isinstance(value, list):
            raise self.error(keyword, "not a list of schemas")
        return [self.child(keyword, str(index)) for index in range(len(value))]

    def named_children(self, keyword: str) -> list[NamedPlace]:
        names = self.mapping(keyword)
        return [NamedPlace(name, self.child(keyword, name)) for name in names]

    def mapping(self, keyword: str) -> Mapping[str, object]:
        value = self._keywords.get(keyword, {})
        if not isinstance(value, dict):
            raise self.error(keyword, "not an object")
        return value

    def count(self, keyword: str) -> int:
        value = self.number(keyword)
        if value.denominator != 1 or value < 0:
            raise self.error(keyword, "neither 0 nor a positive integer")
        return int(value)

    def number(self, keyword: str) -> Fraction:
        value = self._keywords[keyword]
        if not is_number(value):
            raise self.error(keyword, "not a number")
        try:
            return exact(value)
        except GrammarError as error:
            raise self._located(error, keyword) from error

    def text(self, keyword: str) -> str:
        value = self._keywords[keyword]
        if not isinstance(value, str):
            raise self.error(keyword, "not a string")
        return value

    def flag(self, keyword: str) -> bool:
        value = self._keywords.get(keyword, False)
        if not isinstance(value, bool):
            raise self.error(keyword, "neither true nor false")
        return value

    def texts(self, keyword: str) -> tuple[str, ...]:
        return self.texts_of(keyword, self._keywords.get(keyword, []))

    def texts_of(self, keyword: str, value: object) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self.error(keyword, "not a list of strings")
        return unique(value)

    def listed_values(self, keyword: str) -> list[object]:
        """The values of `enum` or `const`."""
        value = self._keywords[keyword]
        if keyword == "const":
            return [value]
        if not isinstance(value, list):
            raise self.error("enum", "not a list")
        return value


def unique(texts: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))
