"""Tool calls as Llama 3.1 to 3.3 write them: JSON objects, with or without a mark before them.

    <|python_tag|>{"name": "add", "parameters": {"a": 1}}; {"name": "now", "parameters": {}}

Without the mark an object is a call only at the start of a line, and if it names a known tool: a
reply may be JSON that a person asked for.
"""

from __future__ import annotations

from typing import Final

from forge_api.tools.json_call import read_call
from forge_api.tools.reading import END, Mark, Reading, ToolFormat, demand, expect, skip_spaces
from forge_api.tools.reply_writer import ReplyWriter
from forge_common.grammar.call_syntax import CallSyntax, Run

PYTHON_TAG: Final = "<|python_tag|>"
SEPARATORS: Final = (";", ",")


def read_marked(writer: ReplyWriter) -> Reading[None]:
    yield from expect("{")
    yield from read_sequence(writer, is_bare=False)


def read_bare(writer: ReplyWriter) -> Reading[None]:
    yield from read_sequence(writer, is_bare=True)


def read_sequence(writer: ReplyWriter, *, is_bare: bool) -> Reading[None]:
    """Objects one after the other, of which the first one's opening brace was read."""
    character = "{"
    while character == "{":
        yield from read_call(writer, is_bare=is_bare)
        character = yield from skip_spaces()
        if character in SEPARATORS:
            character = yield from skip_spaces()
    demand(character == END)


SYNTAX: Final = CallSyntax(
    runs=(
        Run(between=SEPARATORS[0], goes_on=True),
        Run(mark=PYTHON_TAG, between=SEPARATORS[0], goes_on=True),
    ),
    arguments_key="parameters",
    extra_keys=("type", "id"),
)
LLAMA3_JSON: Final = ToolFormat(
    marks=(Mark(PYTHON_TAG, read_marked), Mark("{", read_bare, needs_line_start=True)),
    syntax=SYNTAX,
)
