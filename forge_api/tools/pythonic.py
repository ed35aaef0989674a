"""Tool calls as Llama 3.2 and 4 write them when asked for Python: a list of calls.

    [add(a=1, b=2), search(query="red \\"shoes\\"")]
    <|python_start|>[add(a=1, b=2)]<|python_end|>

Llama 4 also puts a JSON object between its marks. Arguments are named, and each is a literal. The
call is shown with its first argument, and every argument when it is whole, as JSON. A list without
a mark is calls only at the start of a line, and if it names known tools.
"""

from __future__ import annotations

import json
from typing import Final

from msgspec.structs import replace

from forge_api.tools.json_call import read_call
from forge_api.tools.names import read_name
from forge_api.tools.python_literal import json_of_literal, read_literal
from forge_api.tools.reading import (
    END,
    Mark,
    Reading,
    ToolFormat,
    Unexpected,
    demand,
    expect_text,
    first_unspaced,
    skip_spaces,
)
from forge_api.tools.reply_writer import ReplyWriter
from forge_common.grammar.call_syntax import CallSyntax, Run

OPEN: Final = "<|python_start|>"
CLOSE: Final = "<|python_end|>"


def read_bare(writer: ReplyWriter) -> Reading[None]:
    yield from read_list(writer, is_bare=True)


def read_marked(writer: ReplyWriter) -> Reading[None]:
    opening = yield from skip_spaces()
    if opening == "[":
        yield from read_list(writer, is_bare=False)
    elif opening == "{":
        yield from read_call(writer)
    else:
        raise Unexpected
    first = yield from skip_spaces()
    yield from expect_text(first, CLOSE)


def read_list(writer: ReplyWriter, *, is_bare: bool) -> Reading[None]:
    """Calls in a list whose opening bracket was read."""
    separator, has_calls = ",", False
    while separator == ",":
        first = yield from skip_spaces()
        if first == "]" and has_calls:
            return
        yield from read_python_call(writer, first, is_bare=is_bare)
        has_calls = True
        separator = yield from skip_spaces()
    demand(separator in ("]", END))


def read_python_call(writer: ReplyWriter, first: str, *, is_bare: bool) -> Reading[None]:
    name = yield from read_name(first)
    if name.following != "(" or (is_bare and name.text not in writer.known_names):
        raise Unexpected
    call = PythonCall(writer, name.text)
    character = yield from skip_spaces()
    while character != ")":
        character = yield from read_argument(call, character)
        if character == ",":
            character = yield from skip_spaces()
    call.end()


def read_argument(call: PythonCall, first: str) -> Reading[str]:
    """name=literal. Returns the character after it."""
    name = yield from read_name(first)
    demand((yield from first_unspaced(name.following)) == "=")
    literal = yield from read_literal()
    call.add_argument(name.text, json_of_literal(literal))
    return literal.following


class PythonCall:
    """Puts arguments together to a JSON object."""

    def __init__(self, writer: ReplyWriter, name: str) -> None:
        self._writer = writer
        self._name = name
        self._argument_names: set[str] = set()

    def add_argument(self, name: str, value: str) -> None:
        if name in self._argument_names or not name.isidentifier():
            raise Unexpected
        if not self._argument_names:
            self._writer.start_call(self._name)
        opening = ", " if self._argument_names else "{"
        self._argument_names.add(name)
        self._writer.add_arguments(f"{opening}{json.dumps(name, ensure_ascii=False)}: {value}")

    def end(self) -> None:
        if self._argument_names:
            self._writer.add_arguments("}")
        else:
            self._writer.start_call(self._name)
            self._writer.add_arguments("{}")


LISTED: Final = Run(notation="python", first="[", between=",", last="]")
SYNTAX: Final = CallSyntax(
    runs=(
        LISTED,
        replace(LISTED, mark=OPEN, closing=CLOSE),
        Run(mark=OPEN, closing=CLOSE),
    ),
    arguments_key="parameters",
)
PYTHONIC: Final = ToolFormat(
    marks=(Mark(OPEN, read_marked), Mark("[", read_bare, needs_line_start=True)),
    inner_texts=(CLOSE,),
    syntax=SYNTAX,
)
