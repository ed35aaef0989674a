"""Escapes and classes of ECMA-262 patterns, as sets of code points.

Read as with the flag `u`, except for what Annex B lets through without it: needless escapes of
punctuation, and a hyphen beside a class. Escaped letters that mean nothing in ECMA-262 are refused,
since in other dialects they mean something. Knows nothing of groups or quantifiers.
"""

from __future__ import annotations

import re

from forge_common.grammar.automata.code_points import (
    DIGITS,
    SPACE,
    WORD,
    CodePoints,
    Span,
    complement,
    is_surrogate,
    single,
    union,
)
from forge_common.grammar.automata.unicode_properties import UnicodeProperties
from forge_common.grammar.errors import GrammarError

BACKSPACE = 0x08
CONTROL_ESCAPES = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
CLASS_ESCAPES = {"d": DIGITS, "w": WORD, "s": SPACE}
CODE_POINT_ESCAPE = re.compile(r"u\{0*([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})")
LOW_SURROGATE_ESCAPE = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
PROPERTY_ESCAPE = re.compile(r"[pP]\{([A-Za-z_=]{1,64})\}")


class PatternText:
    """A pattern and how far it has been read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def is_read(self) -> bool:
        return self.at >= len(self.text)

    def ahead(self, offset: int = 0) -> str:
        """The character there; nothing behind the end."""
        return self.text[self.at + offset : self.at + offset + 1]

    def startswith(self, *prefixes: str) -> bool:
        return self.text.startswith(prefixes, self.at)

    def read_literal(self) -> CodePoints:
        code_point = ord(self.text[self.at])
        if is_surrogate(code_point):
            raise self.error("half a surrogate pair is no character")
        self.at += 1
        return single(code_point)

    def error(self, reason: str) -> GrammarError:
        return GrammarError(f"{reason}, at character {self.at + 1} of the pattern")


class ClassReader:
    def __init__(self, source: PatternText, properties: UnicodeProperties) -> None:
        self._source = source
        self._properties = properties
        self.num_spans_read = 0  # what reading has cost

    def read_class(self) -> CodePoints:
        """From the bracket that opens it."""
        source = self._source
        source.at += 1
        is_negated = source.startswith("^")
        source.at += is_negated
        spans: list[Span] = []
        while not source.startswith("]"):
            if source.is_read:
                raise source.error("a class is not closed")
            spans += self._read_item()
        source.at += 1
        self.num_spans_read += len(spans)
        code_points = union(spans)
        return complement(code_points) if is_negated else code_points

    def read_escape(self) -> CodePoints:
        """From the backslash."""
        letter = self._source.ahead(1)
        if letter.lower() in CLASS_ESCAPES:
            self._source.at += 2
            code_points = CLASS_ESCAPES[letter.lower()]
            return code_points if letter.islower() else complement(code_points)
        if letter in ("p", "P"):
            return self._read_property()
        return single(self._read_code_point())

    def _read_item(self) -> CodePoints:
        source = self._source
        first = self._read_atom()
        if not source.startswith("-") or source.ahead(1) in ("]", ""):
            return first
        source.at += 1
        last = self._read_atom()
        if not (_is_single(first) and _is_single(last)):
            return (*first, *single(ord("-")), *last)
        if last[0].first < first[0].first:
            raise source.error("a range's ends are out of order")
        return (Span(first[0].first, last[0].first),)

    def _read_atom(self) -> CodePoints:
        if self._source.startswith("\\b"):
            self._source.at += 2
            return single(BACKSPACE)
        return self.read_escape() if self._source.startswith("\\") else self._source.read_literal()

    def _read_property(self) -> CodePoints:
        found = PROPERTY_ESCAPE.match(self._source.text, self._source.at + 1)
        if not found:
            raise self._source.error("\\p needs the name of a property in braces")
        self._source.at = found.end()
        code_points = self._properties.find(found[1])
        return complement(code_points) if found[0].startswith("P") else code_points

    def _read_code_point(self) -> int:
        source = self._source
        letter = source.ahead(1)
        if letter in ("u", "x"):
            return self._read_hexadecimal()
        if letter == "c":
            return self._read_control_letter()
        if not letter or is_surrogate(ord(letter)):
            raise source.error("a backslash escapes nothing")
        if letter == "0" and not source.ahead(2).isdigit():
            code_point = 0
        elif letter.isalnum() and letter not in CONTROL_ESCAPES:
            raise source.error(f"\\{letter} is no escape of ECMA-262 that is supported")
        else:
            code_point = CONTROL_ESCAPES.get(letter, ord(letter))
        source.at += 2
        return code_point

    def _read_control_letter(self) -> int:
        letter = self._source.ahead(2)
        if not (letter.isascii() and letter.isalpha()):
            raise self._source.error("\\c needs a letter")
        self._source.at += 3
        return ord(letter) % 32

    def _read_hexadecimal(self) -> int:
        source = self._source
        found = CODE_POINT_ESCAPE.match(source.text, source.at + 1)
        if not found:
            raise source.error("\\u and \\x need hexadecimal digits")
        code_point = int(found[1] or found[2] or found[3], 16)
        low = LOW_SURROGATE_ESCAPE.match(source.text, found.end())
        if found[2] and 0xD800 <= code_point <= 0xDBFF and low:
            source.at = low.end()
            return 0x10000 + ((code_point - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if is_surrogate(code_point) or code_point > 0x10FFFF:
            raise source.error("half a surrogate pair, or more than U+10FFFF, is no character")
        source.at = found.end()
        return code_point


def _is_single(code_points: CodePoints) -> bool:
    return len(code_points) == 1 and code_points[0].first == code_points[0].last
