"""Reads one Python literal that is an argument of a call, and says it as JSON.

What a character may be is decided as it comes; the whole is parsed by `ast`, never run. Only what
JSON can say is taken: no bytes, no sets, no complex or infinite numbers, no keys but text. The
words of JSON are understood beside those of Python. Numbers that JSON writes alike are left as they
are written, so that none is rounded, or too long. Knows nothing of calls.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Mapping
from math import isfinite
from typing import Final, NamedTuple

from forge_api.tools.reading import END, Reading, Unexpected

MAX_DEPTH: Final = 64  # far below where Python's own parser gives up
QUOTES: Final = frozenset("\"'")
CLOSER_OF: Final = {"(": ")", "[": "]", "{": "}"}
SEPARATORS: Final = frozenset(",: \t\r\n")
WORD_CHARACTERS: Final = re.compile(r"[\w.+-]", flags=re.ASCII)
WORD: Final = re.compile(
    r"[+-]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)([eE][+-]?\d+)?|True|False|None|true|false|null",
    flags=re.ASCII,
)
JSON_NUMBER: Final = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?", flags=re.ASCII)
JSON_WORDS: Final = {"true": "true", "false": "false", "null": "null"}


class Literal(NamedTuple):
    code: str
    numbers: dict[str, str]  # as JSON has them, by the name that stands for each in the code
    following: str  # the character after it


class Lexeme(NamedTuple):
    text: str
    following: str  # the character after it


def read_literal() -> Reading[Literal]:
    """Up to the comma or parenthesis that ends the argument."""
    pieces: list[str] = []
    numbers: dict[str, str] = {}
    closers: list[str] = []
    character = yield
    while closers or character not in (",", ")"):
        if character in QUOTES:
            text, character = yield from read_text(character)
            pieces.append(text)
        elif WORD_CHARACTERS.match(character):
            word, character = yield from read_word(character)
            pieces.append(named(word, numbers) if is_number_of_json(word) else word)
        else:
            track_brackets(character, closers)
            pieces.append(character)
            character = yield
    return Literal("".join(pieces), numbers, character)


def named(number: str, numbers: dict[str, str]) -> str:
    name = f"n{len(numbers)}"
    numbers[name] = number
    return name


def is_number_of_json(word: str) -> bool:
    """But for one that its exponent makes infinite."""
    found = JSON_NUMBER.fullmatch(word)
    return found is not None and (found[3] is None or isfinite(float(word)))


def track_brackets(character: str, closers: list[str]) -> None:
    if character in CLOSER_OF and len(closers) < MAX_DEPTH:
        closers.append(CLOSER_OF[character])
    elif closers and character == closers[-1]:
        closers.pop()
    elif character not in SEPARATORS:
        raise Unexpected


def read_word(first: str) -> Reading[Lexeme]:
    """A number, or a word that stands for a value."""
    characters = [first]
    character = yield
    while WORD_CHARACTERS.match(character):
        characters.append(character)
        character = yield
    word = "".join(characters)
    if WORD.fullmatch(word) is None:
        raise Unexpected
    return Lexeme(word, character)


def read_text(quote: str) -> Reading[Lexeme]:
    """A string, on one line or between three quotes."""
    first = yield
    if first != quote:
        body = yield from read_until(quote, first)
        return Lexeme(quote + body, (yield))
    second = yield
    if second != quote:
        return Lexeme(quote * 2, second)
    body = yield from read_until(quote * 3, (yield))
    return Lexeme(quote * 3 + body, (yield))


def read_until(quotes: str, first: str) -> Reading[str]:
    """The rest of a string, from `first` on, with the quotes that end it."""
    characters: list[str] = []
    num_quotes = 0
    is_escaped = False
    character = first
    while True:
        if character == END or (character == "\n" and len(quotes) == 1):
            raise Unexpected
        characters.append(character)
        num_quotes = num_quotes + 1 if character == quotes[0] and not is_escaped else 0
        if num_quotes == len(quotes):
            return "".join(characters)
        is_escaped = character == "\\" and not is_escaped
        character = yield


def json_of_literal(literal: Literal) -> str:
    """Raises Unexpected for what is no literal, or none that JSON has."""
    if not literal.code.strip():
        raise Unexpected
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know
            tree = ast.parse(f"({literal.code}\n)", mode="eval")
        written = json_of(tree.body, JSON_WORDS | literal.numbers)
        written.encode()
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise Unexpected from error
    return written


def json_of(node: ast.expr, words: Mapping[str, str]) -> str:
    match node:
        case ast.Name(id=word) if word in words:
            return words[word]
        case ast.Constant(value=str() | bool() | int() | float() | None as value):
            return scalar_text(value)
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=ast.Constant() as operand):
            return scalar_text(signed(sign, operand.value))
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return "[" + ", ".join([json_of(item, words) for item in items]) + "]"
        case ast.Dict(keys=keys, values=values):
            pairs = zip(map(key_of, keys), values, strict=True)
            members = {key: json_of(value, words) for key, value in pairs}
            return "{" + ", ".join([f"{key}: {value}" for key, value in members.items()]) + "}"
    raise Unexpected


def scalar_text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def signed(sign: ast.unaryop, number: object) -> int | float:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise Unexpected
    return -number if isinstance(sign, ast.USub) else number


def key_of(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return scalar_text(node.value)
    raise Unexpected
