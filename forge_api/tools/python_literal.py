"""Reads one Python literal that is an argument of a call, and says it as JSON.

What a character may be is decided as it comes; the whole is parsed by `ast`, never run. Only what
JSON can say is taken: no bytes, no sets, no complex or infinite numbers, no keys but text. The
words of JSON are understood beside those of Python. Knows nothing of calls.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from typing import Any, Final, NamedTuple

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
JSON_WORDS: Final = {"true": True, "false": False, "null": None}


class Lexeme(NamedTuple):
    text: str
    following: str  # the character after it


def read_literal() -> Reading[Lexeme]:
    """Up to the comma or parenthesis that ends the argument."""
    pieces: list[str] = []
    closers: list[str] = []
    character = yield
    while closers or character not in (",", ")"):
        if character in QUOTES or WORD_CHARACTERS.match(character):
            is_text = character in QUOTES
            lexeme = yield from read_text(character) if is_text else read_word(character)
            pieces.append(lexeme.text)
            character = lexeme.following
        else:
            track_brackets(character, closers)
            pieces.append(character)
            character = yield
    return Lexeme("".join(pieces), character)


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


def json_of_literal(text: str) -> str:
    """Raises Unexpected for what is no literal, or none that JSON has."""
    if not text.strip():
        raise Unexpected
    try:
        with warnings.catch_warnings(action="ignore"):  # of escapes that Python does not know
            tree = ast.parse(f"({text}\n)", mode="eval")
        written = json.dumps(value_of(tree.body), ensure_ascii=False, allow_nan=False)
        written.encode()
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise Unexpected from error
    return written


def value_of(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=str() | bool() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.UAdd() | ast.USub() as sign, operand=ast.Constant() as operand):
            return signed(sign, operand.value)
        case ast.Name(id=word) if word in JSON_WORDS:
            return JSON_WORDS[word]
        case ast.List(elts=items) | ast.Tuple(elts=items):
            return [value_of(item) for item in items]
        case ast.Dict(keys=keys, values=values):
            return {key_of(key): value_of(value) for key, value in zip(keys, values, strict=True)}
    raise Unexpected


def signed(sign: ast.unaryop, number: object) -> int | float:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        raise Unexpected
    return -number if isinstance(sign, ast.USub) else number


def key_of(node: ast.expr | None) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise Unexpected
