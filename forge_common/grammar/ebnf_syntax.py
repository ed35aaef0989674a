"""EBNF as llama.cpp writes it (GBNF), read into expressions.

    root ::= item ("," item)*      # a comment
    item ::= [a-z]{1,8} | "\\"" [^"\\x00-\\x1F]* "\\"" | ( "(" root ")" )?

Alternatives `|`, sequences, groups, `? * + {m} {m,} {m,n}`, texts, classes with ranges, `.` for any
character; escapes `\\n \\r \\t \\xHH \\uHHHH \\UHHHHHHHH` and a backslash before any punctuation. A
rule goes on over line ends until the next one begins. Knows no Program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from forge_common.grammar.errors import GrammarError, GrammarTooLarge

MAX_DEPTH = 48
MAX_CHARACTERS = 2**18
MAX_CLASS = 2**16 - 1
MAX_COUNT = 2**31 - 1
SPACE = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
DEFINITION = re.compile(r"([A-Za-z][A-Za-z0-9_-]*)(?:[ \t\r\n]+|#[^\r\n]*)*::=")
COUNT = re.compile(r"\{\s*([0-9]+)\s*(?:(,)\s*([0-9]*)\s*)?\}")
HEX_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))")
CONTROLS = {"n": "\n", "r": "\r", "t": "\t"}
LAST_CODE_POINT = 0x10FFFF


class Characters(NamedTuple):
    """One character, as a class of a regular expression."""

    pattern: str


class Words(NamedTuple):
    """This text."""

    text: str


class Reference(NamedTuple):
    rule: str


class InOrder(NamedTuple):
    parts: tuple[Expression, ...]


class Either(NamedTuple):
    options: tuple[Expression, ...]


class Repeated(NamedTuple):
    part: Expression
    least: int
    most: int | None


Expression = Characters | Words | Reference | InOrder | Either | Repeated


def read_ebnf(text: str) -> Mapping[str, Expression]:
    """The rules in their order."""
    if len(text) > MAX_CHARACTERS:
        raise GrammarTooLarge(f"more than {MAX_CHARACTERS} characters")
    return _Reader(text).read()


def escaped(character: str) -> str:
    """As a regular expression, in a class or out of it."""
    return f"\\u{{{ord(character):X}}}"


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0

    def read(self) -> dict[str, Expression]:
        rules: dict[str, Expression] = {}
        self._skip_space()
        while self._at < len(self._text):
            found = DEFINITION.match(self._text, self._at)
            if not found:
                raise self._error("expected a rule, as in `name ::= ...`")
            if found[1] in rules:
                raise self._error(f"there is a rule {found[1]!r} already")
            self._at = found.end()
            rules[found[1]] = self._read_alternatives()
        if not rules:
            raise GrammarError("there is no rule")
        return rules

    def _error(self, reason: str) -> GrammarError:
        line = self._text.count("\n", 0, self._at) + 1
        column = self._at - self._text.rfind("\n", 0, self._at)
        return GrammarError(f"{reason}, at line {line}, column {column}")

    def _skip_space(self) -> None:
        space = SPACE.match(self._text, self._at)
        self._at = space.end() if space else self._at

    def _is_next(self, token: str) -> bool:
        return self._text.startswith(token, self._at)

    def _read_alternatives(self) -> Expression:
        options = [self._read_sequence()]
        while self._is_next("|"):
            self._at += 1
            options.append(self._read_sequence())
        return options[0] if len(options) == 1 else Either(tuple(options))

    def _read_sequence(self) -> Expression:
        parts: list[Expression] = []
        self._skip_space()
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            if DEFINITION.match(self._text, self._at):
                break
            parts.append(self._read_repeated())
        return parts[0] if len(parts) == 1 else InOrder(tuple(parts))

    def _read_repeated(self) -> Expression:
        part = self._read_part()
        self._skip_space()
        while self._at < len(self._text) and self._text[self._at] in "?*+{":
            part = self._read_quantifier(part)
            self._skip_space()
        return part

    def _read_quantifier(self, part: Expression) -> Repeated:
        symbol = self._text[self._at]
        if symbol != "{":
            self._at += 1
            return Repeated(part, int(symbol == "+"), 1 if symbol == "?" else None)
        count = COUNT.match(self._text, self._at)
        if not count:
            raise self._error("expected a count, as in {2}, {2,} or {2,3}")
        least = self._read_count(count[1])
        most = least if not count[2] else self._read_count(count[3]) if count[3] else None
        if most is not None and most < least:
            raise self._error("the numbers of a count are out of order")
        self._at = count.end()
        return Repeated(part, least, most)

    def _read_count(self, digits: str) -> int:
        significant = digits.lstrip("0") or "0"
        if len(significant) > len(str(MAX_COUNT)) or int(significant) > MAX_COUNT:
            raise GrammarTooLarge(f"a count beyond {MAX_COUNT}")
        return int(significant)

    def _read_part(self) -> Expression:
        match self._text[self._at]:
            case '"':
                return self._read_text()
            case "[":
                return self._read_class()
            case ".":
                self._at += 1
                return Characters("[^]")
            case "(":
                return self._read_group()
        name = NAME.match(self._text, self._at)
        if not name:
            raise self._error("expected a text, a class, a group or the name of a rule")
        self._at = name.end()
        return Reference(name[0])

    def _read_group(self) -> Expression:
        self._at += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise GrammarTooLarge(f"groups are nested more than {MAX_DEPTH} deep")
        inner = self._read_alternatives()
        if not self._is_next(")"):
            raise self._error("a group is not closed")
        self._at += 1
        self._depth -= 1
        return inner

    def _read_text(self) -> Words:
        self._at += 1
        characters: list[str] = []
        while not self._is_next('"'):
            characters.append(self._read_character("a text is not closed"))
        self._at += 1
        return Words("".join(characters))

    def _read_class(self) -> Characters:
        self._at += 1
        pattern = ["["]
        if self._is_next("^"):
            pattern.append("^")
            self._at += 1
        while not self._is_next("]"):
            pattern.append(self._read_range())
        self._at += 1
        if sum(map(len, pattern)) >= MAX_CLASS:
            raise GrammarTooLarge("a class of more characters than a pattern holds")
        if pattern == ["["]:
            raise self._error("a class without characters")
        return Characters("".join([*pattern, "]"]))

    def _read_range(self) -> str:
        first = self._read_character("a class is not closed")
        if not self._is_next("-") or self._is_next("-]"):
            return escaped(first)
        self._at += 1
        last = self._read_character("a class is not closed")
        if last < first:
            raise self._error("a range's ends are out of order")
        return f"{escaped(first)}-{escaped(last)}"

    def _read_character(self, if_missing: str) -> str:
        if self._at >= len(self._text):
            raise self._error(if_missing)
        character = self._text[self._at]
        if character == "\\":
            return self._read_escape()
        self._at += 1
        return self._checked(ord(character))

    def _read_escape(self) -> str:
        found = HEX_ESCAPE.match(self._text, self._at)
        if found:
            self._at = found.end()
            return self._checked(int(found[1] or found[2] or found[3], 16))
        following = self._text[self._at + 1 : self._at + 2]
        if not following or (following.isalnum() and following not in CONTROLS):
            raise self._error("not an escape of a grammar")
        self._at += 2
        return CONTROLS.get(following, following)

    def _checked(self, code_point: int) -> str:
        if code_point > LAST_CODE_POINT or 0xD800 <= code_point <= 0xDFFF:
            raise self._error("not a character of Unicode")
        return chr(code_point)
