"""How a format reads a call: generators that are sent one character at a time, and END at the end.

What a reader cannot use, it raises as Unexpected: whoever sent that character then reads it as
content. So readers look like the grammar they follow, and no cut of the text can matter to them.
Knows no format.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Final, NamedTuple, TypeVar

from forge_api.tools.reply_writer import ReplyWriter
from forge_common.grammar.call_syntax import CallSyntax

END: Final = ""
SPACES: Final = frozenset(" \t\r\n")  # JSON's
ResultT = TypeVar("ResultT")
Reading = Generator[None, str, ResultT]


class Unexpected(Exception):
    """The character just sent belongs to no call."""


class Mark(NamedTuple):
    """A text with which calls begin, and the reader of what follows it."""

    text: str
    read: Callable[[ReplyWriter], Reading[None]]
    needs_line_start: bool = False  # elsewhere in a line it is content


class ToolFormat(NamedTuple):
    marks: tuple[Mark, ...]
    syntax: CallSyntax  # how calls are written that are held to a schema
    inner_texts: tuple[str, ...] = ()  # further special tokens that stand in calls


def demand(is_as_expected: bool) -> None:
    if not is_as_expected:
        raise Unexpected


def skip_spaces() -> Reading[str]:
    """The first character that is no space."""
    character = yield
    while character in SPACES:
        character = yield
    return character


def first_unspaced(character: str) -> Reading[str]:
    """This character, or the first after it that is no space."""
    if character in SPACES:
        return (yield from skip_spaces())
    return character


def expect(wanted: str) -> Reading[None]:
    """One character, after any spaces."""
    demand((yield from skip_spaces()) == wanted)


def expect_text(first: str, wanted: str) -> Reading[None]:
    """A closing mark whose first character was read; the end of the reply may cut it short."""
    character = first
    for position, expected in enumerate(wanted, start=1):
        if character == END:
            return
        demand(character == expected)
        if position < len(wanted):
            character = yield
