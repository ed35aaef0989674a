"""ECMA-262 pattern text to a tree: interegular reads the structure, the classes are ours.

interegular knows neither anchors nor most of ECMA's escapes, and keeps a class as a set of
characters one by one. So every atom is replaced by a private-use character that stands for its
class, with anchors among them, before interegular parses what is left: groups, alternatives,
quantifiers and lookahead. Its parser recurses, so nesting is bounded first. Patterns are read as
with the flag `u`, except that needless escapes and lone brackets are let through as they are in
Annex B. Knows nothing of automata.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import interegular
from interegular.patterns import InvalidSyntax, Pattern, Unsupported

from forge_common.grammar.automata.code_points import (
    DIGITS,
    LINE_TERMINATORS,
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
from forge_common.grammar.errors import GrammarError, GrammarTooLarge

MAX_DEPTH = 32
MAX_COUNT_DIGITS = 9
FIRST_PLACEHOLDER = 0xF0000  # private use: planes 15 and 16
AT_START, AT_END = "\U0010fffe", "\U0010ffff"
MAX_SPANS = 100_000  # in all classes of a grammar together
CONTROL_ESCAPES = {"t": 0x09, "n": 0x0A, "v": 0x0B, "f": 0x0C, "r": 0x0D}
CLASS_ESCAPES = {"d": DIGITS, "w": WORD, "s": SPACE}
COUNT = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
CODE_POINT_ESCAPE = re.compile(r"u\{0*([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|x([0-9a-fA-F]{2})")
LOW_SURROGATE_ESCAPE = re.compile(r"\\u([dD][c-fC-F][0-9a-fA-F]{2})")
PROPERTY_ESCAPE = re.compile(r"[pP]\{([A-Za-z_=]{1,64})\}")
GROUP_NAME = re.compile(r"\(\?<[A-Za-z_$][A-Za-z0-9_$]*>")


class Classes:
    """Every class that the patterns of one grammar use, by the order of first use."""

    def __init__(self, properties: UnicodeProperties) -> None:
        self.properties = properties
        self._indices: dict[CodePoints, int] = {}
        self._num_spans_left = MAX_SPANS

    def index(self, code_points: CodePoints) -> int:
        index = self._indices.get(code_points)
        if index is None:
            index = self._indices[code_points] = len(self._indices)
            self.spend_spans(len(code_points))
        return index

    def spend_spans(self, num_spans: int) -> None:
        self._num_spans_left -= num_spans
        if self._num_spans_left < 0:
            raise GrammarTooLarge("classes of characters with more ranges than a pattern may have")

    @property
    def in_order(self) -> list[CodePoints]:
        return list(self._indices)


def class_of_placeholder(character: str) -> int:
    return ord(character) - FIRST_PLACEHOLDER


def parse_pattern(text: str, classes: Classes) -> Pattern:
    skeleton = _Reader(text, classes).read()
    try:
        return interegular.parse_pattern(skeleton)
    except (InvalidSyntax, Unsupported) as error:
        raise GrammarError("not a regular expression of ECMA-262") from error


class _Group(NamedTuple):
    opening: str
    is_lookahead: bool


class _Reader:
    """One walk over the text, which leaves the skeleton behind."""

    def __init__(self, text: str, classes: Classes) -> None:
        self._text = text
        self._at = 0
        self._classes = classes
        self._skeleton: list[str] = []
        self._open: list[_Group] = []
        self._can_repeat = False  # whether a quantifier may come next
        self._by_character: dict[str, Callable[[], None]] = {
            "\\": self._read_escape,
            "[": self._read_class,
            "(": self._open_group,
            ")": self._close_group,
            "|": self._read_bar,
            "^": self._read_anchor,
            "$": self._read_anchor,
            ".": self._read_dot,
            "*": self._read_quantifier,
            "+": self._read_quantifier,
            "?": self._read_quantifier,
            "{": self._read_brace,
        }

    def read(self) -> str:
        while self._at < len(self._text):
            self._by_character.get(self._text[self._at], self._read_literal)()
        if self._open:
            raise self._error("a group is not closed")
        return "".join(self._skeleton)

    def _error(self, reason: str) -> GrammarError:
        return GrammarError(f"{reason}, at character {self._at + 1} of the pattern")

    def _add_class(self, code_points: CodePoints) -> None:
        self._skeleton.append(chr(FIRST_PLACEHOLDER + self._classes.index(code_points)))
        self._can_repeat = True

    def _read_literal(self) -> None:
        code_point = ord(self._text[self._at])
        if is_surrogate(code_point):
            raise self._error("half a surrogate pair is no character")
        self._at += 1
        self._add_class(single(code_point))

    def _read_dot(self) -> None:
        self._at += 1
        self._add_class(complement(LINE_TERMINATORS))

    def _read_anchor(self) -> None:
        self._skeleton.append(AT_START if self._text[self._at] == "^" else AT_END)
        self._at += 1
        self._can_repeat = False

    def _read_bar(self) -> None:
        self._skeleton.append("|")
        self._at += 1
        self._can_repeat = False

    # groups

    def _open_group(self) -> None:
        group = self._read_opening()
        if len(self._open) == MAX_DEPTH:
            raise GrammarTooLarge(f"groups are nested more than {MAX_DEPTH} deep")
        self._open.append(group)
        self._skeleton.append(group.opening)
        self._can_repeat = False

    def _read_opening(self) -> _Group:
        for opening in ("(?:", "(?=", "(?!"):
            if self._text.startswith(opening, self._at):
                self._at += len(opening)
                return _Group(opening, opening != "(?:")
        if self._text.startswith(("(?<=", "(?<!"), self._at):
            raise self._error("lookbehind is not supported")
        named = GROUP_NAME.match(self._text, self._at)
        if not named and self._text.startswith("(?", self._at):
            raise self._error("this kind of group is not one of ECMA-262's")
        self._at = named.end() if named else self._at + 1
        return _Group("(?:", False)

    def _close_group(self) -> None:
        if not self._open:
            raise self._error("a closing parenthesis without an opening one")
        self._at += 1
        self._skeleton.append(")")
        self._can_repeat = not self._open.pop().is_lookahead

    # quantifiers

    def _read_quantifier(self) -> None:
        self._repeat(self._text[self._at], 1)

    def _read_brace(self) -> None:
        count = COUNT.match(self._text, self._at)
        if not count:
            self._read_literal()
            return
        least = self._read_number(count[1])
        most = self._read_number(count[3]) if count[3] else None
        if most is not None and most < least:
            raise self._error("a quantifier's numbers are out of order")
        self._repeat(f"{{{least}{count[2] or ''}{'' if most is None else most}}}", len(count[0]))

    def _read_number(self, digits: str) -> int:
        significant = digits.lstrip("0")
        if len(significant) > MAX_COUNT_DIGITS:
            raise GrammarTooLarge("a quantifier counts further than one pattern may")
        return int(significant or "0")

    def _repeat(self, quantifier: str, num_read: int) -> None:
        if not self._can_repeat:
            raise self._error("nothing to repeat")
        self._at += num_read
        if self._text.startswith("?", self._at):
            self._at += 1  # lazy: the same texts, found in another order
        self._skeleton.append(quantifier)
        self._can_repeat = False

    # escapes and classes

    def _read_escape(self) -> None:
        following = self._text[self._at + 1 : self._at + 2]
        if following in ("b", "B"):
            raise self._error("word boundaries are not supported")
        if following and following in "k123456789":
            raise self._error("backreferences are not regular")
        self._add_class(self._read_escaped_class())

    def _read_escaped_class(self) -> CodePoints:
        """What a backslash begins, in a class or out of it."""
        following = self._text[self._at + 1 : self._at + 2]
        if following.lower() in CLASS_ESCAPES:
            self._at += 2
            code_points = CLASS_ESCAPES[following.lower()]
            return code_points if following.islower() else complement(code_points)
        if following in ("p", "P"):
            return self._read_property()
        return single(self._read_escaped_code_point())

    def _read_property(self) -> CodePoints:
        found = PROPERTY_ESCAPE.match(self._text, self._at + 1)
        if not found:
            raise self._error("\\p needs the name of a property in braces")
        self._at = found.end()
        code_points = self._classes.properties.find(found[1])
        return complement(code_points) if found[0].startswith("P") else code_points

    def _read_escaped_code_point(self) -> int:
        following = self._text[self._at + 1 : self._at + 2]
        if following in ("u", "x"):
            return self._read_hex()
        if following == "c":
            return self._read_control_letter()
        if following in CONTROL_ESCAPES:
            self._at += 2
            return CONTROL_ESCAPES[following]
        if following == "0" and not self._text[self._at + 2 : self._at + 3].isdigit():
            self._at += 2
            return 0
        if not following or following.isalnum() or is_surrogate(ord(following)):
            raise self._error("not an escape of ECMA-262")
        self._at += 2
        return ord(following)

    def _read_control_letter(self) -> int:
        letter = self._text[self._at + 2 : self._at + 3]
        if not (letter.isascii() and letter.isalpha()):
            raise self._error("\\c needs a letter")
        self._at += 3
        return ord(letter) % 32

    def _read_hex(self) -> int:
        found = CODE_POINT_ESCAPE.match(self._text, self._at + 1)
        if not found:
            raise self._error("\\u and \\x need hexadecimal digits")
        code_point = int(found[1] or found[2] or found[3], 16)
        self._at = found.end()
        low = LOW_SURROGATE_ESCAPE.match(self._text, self._at)
        if found[2] and 0xD800 <= code_point <= 0xDBFF and low:
            self._at = low.end()
            return 0x10000 + ((code_point - 0xD800) << 10) + int(low[1], 16) - 0xDC00
        if is_surrogate(code_point) or code_point > 0x10FFFF:
            raise self._error("half a surrogate pair is no character")
        return code_point

    def _read_class(self) -> None:
        self._at += 1
        is_negated = self._text.startswith("^", self._at)
        self._at += is_negated
        spans: list[Span] = []
        while not self._text.startswith("]", self._at):
            if self._at >= len(self._text):
                raise self._error("a class is not closed")
            spans += self._read_class_item()
        self._classes.spend_spans(len(spans))
        self._at += 1
        code_points = union(spans)
        self._add_class(complement(code_points) if is_negated else code_points)

    def _read_class_item(self) -> CodePoints:
        first = self._read_class_atom()
        is_range = self._text.startswith("-", self._at) and self._at + 1 < len(self._text)
        if not is_range or self._text.startswith("]", self._at + 1):
            return first
        self._at += 1
        last = self._read_class_atom()
        return self._range(first, last)

    def _range(self, first: CodePoints, last: CodePoints) -> CodePoints:
        if not (_is_single(first) and _is_single(last)):
            # Annex B: with a class on either side the hyphen is a hyphen.
            return (*first, *single(ord("-")), *last)
        if last[0].first < first[0].first:
            raise self._error("a range's ends are out of order")
        return (Span(first[0].first, last[0].first),)

    def _read_class_atom(self) -> CodePoints:
        character = self._text[self._at]
        if character == "\\":
            if self._text.startswith("b", self._at + 1):
                self._at += 2
                return single(0x08)
            return self._read_escaped_class()
        if is_surrogate(ord(character)):
            raise self._error("half a surrogate pair is no character")
        self._at += 1
        return single(ord(character))


def _is_single(code_points: CodePoints) -> bool:
    return len(code_points) == 1 and code_points[0].first == code_points[0].last
