"""ECMA-262 pattern text to a tree: interegular reads the structure, the classes are ours.

interegular knows neither anchors nor most of ECMA's escapes, and keeps a class as a set of
characters one by one. So every atom is replaced by a private-use character that stands for its
class, with anchors among them, before interegular parses what is left: groups, alternatives,
quantifiers and lookahead. Its parser recurses, so nesting is bounded first. Backreferences are no
regular language, so they are refused; lookbehind is, too. Knows nothing of automata.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

import interegular
from interegular.patterns import InvalidSyntax, Pattern, Unsupported

from forge_common.grammar.automata.code_points import (
    LINE_TERMINATORS,
    WORD,
    CodePoints,
    complement,
)
from forge_common.grammar.automata.pattern_classes import ClassReader, PatternText
from forge_common.grammar.automata.unicode_properties import UnicodeProperties
from forge_common.grammar.errors import GrammarError, GrammarTooLarge

MAX_DEPTH = 32
MAX_COUNT_DIGITS = 9
MAX_SPANS = 100_000  # in all classes of a grammar together
FIRST_PLACEHOLDER = 0xF0000  # private use: planes 15 and 16
AT_START, AT_END = "\U0010fffe", "\U0010ffff"
BOUNDARY, NO_BOUNDARY = "\U0010fffc", "\U0010fffd"
ASSERTIONS = (AT_START, AT_END, BOUNDARY, NO_BOUNDARY)
COUNT = re.compile(r"\{([0-9]+)(?:(,)([0-9]*))?\}")
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
    skeleton = _SkeletonReader(text, classes).read()
    try:
        return interegular.parse_pattern(skeleton)
    except (InvalidSyntax, Unsupported) as error:
        raise GrammarError("not a regular expression of ECMA-262") from error
    except RecursionError as error:  # where the caller is deep already
        raise GrammarTooLarge("groups are nested too deep") from error


class _Group(NamedTuple):
    opening: str
    is_lookahead: bool


class _SkeletonReader:
    """One walk over the text, which leaves the skeleton behind."""

    def __init__(self, text: str, classes: Classes) -> None:
        self._source = PatternText(text)
        self._classes = classes
        self._class_reader = ClassReader(self._source, classes.properties)
        self._skeleton: list[str] = []
        self._open: list[_Group] = []
        self._can_repeat = False  # whether a quantifier may come next
        self._by_character: dict[str, Callable[[], None]] = {
            "\\": self._read_escape,
            "[": self._read_class,
            ".": self._read_dot,
            "(": self._open_group,
            ")": self._close_group,
            "|": self._read_bar,
            "^": self._read_anchor,
            "$": self._read_anchor,
            "*": self._read_quantifier,
            "+": self._read_quantifier,
            "?": self._read_quantifier,
            "{": self._read_brace,
        }

    def read(self) -> str:
        while not self._source.is_read:
            self._by_character.get(self._source.ahead(), self._read_literal)()
        if self._open:
            raise self._source.error("a group is not closed")
        return "".join(self._skeleton)

    # atoms

    def _add_class(self, code_points: CodePoints) -> None:
        self._classes.spend_spans(len(code_points))
        self._skeleton.append(chr(FIRST_PLACEHOLDER + self._classes.index(code_points)))
        self._can_repeat = True

    def _read_literal(self) -> None:
        self._add_class(self._source.read_literal())

    def _read_dot(self) -> None:
        self._source.at += 1
        self._add_class(complement(LINE_TERMINATORS))

    def _read_class(self) -> None:
        num_spans_before = self._class_reader.num_spans_read
        code_points = self._class_reader.read_class()
        self._classes.spend_spans(self._class_reader.num_spans_read - num_spans_before)
        self._add_class(code_points)

    def _read_escape(self) -> None:
        letter = self._source.ahead(1)
        if letter in ("b", "B"):
            self._read_boundary(letter)
            return
        if letter and letter in "k123456789":
            raise self._source.error("backreferences are not regular")
        self._add_class(self._class_reader.read_escape())

    # structure

    def _read_anchor(self) -> None:
        self._add_structure(AT_START if self._source.ahead() == "^" else AT_END)

    def _read_boundary(self, letter: str) -> None:
        self._classes.index(WORD)  # so that the alphabet tells words apart
        self._source.at += 1
        self._add_structure(BOUNDARY if letter == "b" else NO_BOUNDARY)

    def _read_bar(self) -> None:
        self._add_structure("|")

    def _add_structure(self, written: str) -> None:
        self._skeleton.append(written)
        self._source.at += 1
        self._can_repeat = False

    def _open_group(self) -> None:
        group = self._read_opening()
        if len(self._open) == MAX_DEPTH:
            raise GrammarTooLarge(f"groups are nested more than {MAX_DEPTH} deep")
        self._open.append(group)
        self._skeleton.append(group.opening)
        self._can_repeat = False

    def _read_opening(self) -> _Group:
        source = self._source
        for opening in ("(?:", "(?=", "(?!"):
            if source.startswith(opening):
                source.at += len(opening)
                return _Group(opening, opening != "(?:")
        if source.startswith("(?<=", "(?<!"):
            raise source.error("lookbehind is not supported")
        named = GROUP_NAME.match(source.text, source.at)
        if not named and source.startswith("(?"):
            raise source.error("this kind of group is not one of ECMA-262's")
        source.at = named.end() if named else source.at + 1
        return _Group("(?:", False)

    def _close_group(self) -> None:
        if not self._open:
            raise self._source.error("a closing parenthesis without an opening one")
        is_lookahead = self._open.pop().is_lookahead
        self._add_structure(")")
        self._can_repeat = not is_lookahead

    def _read_quantifier(self) -> None:
        self._repeat(self._source.ahead(), 1)

    def _read_brace(self) -> None:
        count = COUNT.match(self._source.text, self._source.at)
        if not count:
            self._read_literal()
            return
        least = self._read_number(count[1])
        most = self._read_number(count[3]) if count[3] else None
        if most is not None and most < least:
            raise self._source.error("a quantifier's numbers are out of order")
        shortest = f"{{{least}{count[2] or ''}{'' if most is None else most}}}"
        self._repeat(shortest, len(count[0]))

    def _read_number(self, digits: str) -> int:
        significant = digits.lstrip("0")
        if len(significant) > MAX_COUNT_DIGITS:
            raise GrammarTooLarge("a quantifier counts further than one pattern may")
        return int(significant or "0")

    def _repeat(self, quantifier: str, num_read: int) -> None:
        if not self._can_repeat:
            raise self._source.error("nothing to repeat")
        self._source.at += num_read
        if self._source.startswith("?"):
            self._source.at += 1  # lazy: the same texts, found in another order
        self._skeleton.append(quantifier)
        self._can_repeat = False
