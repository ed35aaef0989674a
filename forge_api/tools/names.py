"""Reads a name that stands in a text as it is, without quotes. Knows no format."""

from __future__ import annotations

from typing import NamedTuple

from forge_api.tools.reading import Reading, Unexpected
from forge_common.grammar.call_syntax import MAX_NAME_CHARACTERS, NAME_MARKS


class ReadName(NamedTuple):
    text: str
    following: str  # the character after it


def read_name(first: str) -> Reading[ReadName]:
    characters: list[str] = []
    character = first
    while character.isalnum() or character in NAME_MARKS:
        characters.append(character)
        if len(characters) > MAX_NAME_CHARACTERS:
            raise Unexpected
        character = yield
    if not characters:
        raise Unexpected
    return ReadName("".join(characters), character)
