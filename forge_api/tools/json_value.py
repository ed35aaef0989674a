"""Reads one JSON value a character at a time, and refuses the first that no JSON value could hold.

Strict, as RFC 8259 has it. Nesting takes no recursion, and no more of it is taken than any parser
of the result could read. Knows nothing of calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum, auto
from typing import Final

from forge_api.tools.reading import END, Reading, Unexpected, demand

MAX_DEPTH: Final = 256
MAX_ATOM_CHARACTERS: Final = 4096
ATOM: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null", flags=re.ASCII)
ATOM_CHARACTERS: Final = frozenset("+-.0123456789eEtrufalsn")
SPACES: Final = frozenset(" \t\n\r")
ESCAPES: Final = frozenset('"\\/bfnrt')
HEX_DIGITS: Final = frozenset("0123456789abcdefABCDEF")
CLOSER_OF: Final = {"{": "}", "[": "]"}


class Next(Enum):
    """What may come where no string or atom is being read."""

    VALUE = auto()
    ITEM = auto()  # of an array that may still be empty
    KEY = auto()
    FIRST_KEY = auto()  # of an object that may still be empty
    COLON = auto()
    COMMA = auto()  # or the end of what is open
    NOTHING = auto()


class JsonString:
    """The characters of one string after its opening quote."""

    def __init__(self) -> None:
        self.is_complete = False
        self._is_escaped = False
        self._num_hex_digits_left = 0

    def take(self, character: str) -> None:
        if self._num_hex_digits_left:
            demand(character in HEX_DIGITS)
            self._num_hex_digits_left -= 1
        elif self._is_escaped:
            demand(character in ESCAPES or character == "u")
            self._num_hex_digits_left = 4 if character == "u" else 0
            self._is_escaped = False
        elif character == "\\":
            self._is_escaped = True
        else:
            demand(character >= " ")
            self.is_complete = character == '"'


class JsonValue:
    """`atom` is a number or a word that the next character may continue or spoil."""

    def __init__(self) -> None:
        self.atom = ""
        self._next = Next.VALUE
        self._closers: list[str] = []
        self._string: JsonString | None = None
        self._is_key = False

    @property
    def is_complete(self) -> bool:
        return self._next is Next.NOTHING

    def takes(self, character: str) -> bool:
        """False where a number or word was all of the value, and ended before this character."""
        if self._string is not None:
            self._take_in_string(self._string, character)
            return True
        if self.atom and character in ATOM_CHARACTERS:
            demand(len(self.atom) < MAX_ATOM_CHARACTERS)
            self.atom += character
            return True
        if self.atom:
            demand(ATOM.fullmatch(self.atom) is not None)
            self.atom = ""
            self._end_value()
        if self.is_complete:
            return False
        if character not in SPACES:
            self._take_token(character)
        return True

    def _take_in_string(self, string: JsonString, character: str) -> None:
        string.take(character)
        if string.is_complete:
            self._string = None
            if self._is_key:
                self._next = Next.COLON
            else:
                self._end_value()

    def _take_token(self, character: str) -> None:
        match self._next:
            case Next.COLON:
                demand(character == ":")
                self._next = Next.VALUE
            case Next.COMMA if character == ",":
                self._next = Next.KEY if self._closers[-1] == "}" else Next.VALUE
            case Next.COMMA:
                self._close(character)
            case Next.ITEM | Next.FIRST_KEY if character == self._closers[-1]:
                self._close(character)
            case Next.KEY | Next.FIRST_KEY:
                demand(character == '"')
                self._string, self._is_key = JsonString(), True
            case _:
                self._begin_value(character)

    def _begin_value(self, character: str) -> None:
        if character == '"':
            self._string, self._is_key = JsonString(), False
        elif character in CLOSER_OF:
            demand(len(self._closers) < MAX_DEPTH)
            self._closers.append(CLOSER_OF[character])
            self._next = Next.FIRST_KEY if character == "{" else Next.ITEM
        else:
            demand(character in ATOM_CHARACTERS)
            self.atom = character

    def _close(self, character: str) -> None:
        demand(character == self._closers.pop())
        self._end_value()

    def _end_value(self) -> None:
        self._next = Next.COMMA if self._closers else Next.NOTHING


def read_value(first: str, keep: Callable[[str], None]) -> Reading[str]:
    """`keep` gets the value's text as it comes. Returns the first character after it.

    A number or word is kept when it is known to be one, or when the reply ends in it.
    """
    value = JsonValue()
    character = first
    held = ""
    while character != END:
        held += character
        if not value.takes(character):
            keep(held[:-1])
            return character
        if not value.atom:
            keep(held)
            held = ""
        if value.is_complete:
            return (yield)
        character = yield
    keep(held)
    raise Unexpected
