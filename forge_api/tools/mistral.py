"""Tool calls as Mistral's models write them: an older way, and a newer one.

    [TOOL_CALLS][{"name": "add", "arguments": {"a": 1}}, {"name": "now", "arguments": {}}]
    [TOOL_CALLS]add[ARGS]{"a": 1}[TOOL_CALLS]now[CALL_ID]123456789[ARGS]{}

The newer one's inner marks are special tokens; a text in which they were left out is understood.
"""

from __future__ import annotations

from typing import Final

from forge_api.tools.json_call import read_array
from forge_api.tools.json_value import read_value
from forge_api.tools.names import read_name
from forge_api.tools.reading import (
    END,
    Mark,
    Reading,
    ToolFormat,
    demand,
    expect_text,
    first_unspaced,
    skip_spaces,
)
from forge_api.tools.reply_writer import ReplyWriter
from forge_common.grammar.call_syntax import CallSyntax, NamedRun, Run

OPEN: Final = "[TOOL_CALLS]"
CALL_ID: Final = "[CALL_ID]"
ARGS: Final = "[ARGS]"


def read(writer: ReplyWriter) -> Reading[None]:
    first = yield from skip_spaces()
    if first == "[":
        yield from read_array(writer)
    else:
        yield from read_named(writer, first)


def read_named(writer: ReplyWriter, first: str) -> Reading[None]:
    name = yield from read_name(first)
    character = yield from first_unspaced(name.following)
    if character == "[":
        character = yield from read_inner_marks()
    demand(character == "{")
    writer.start_call(name.text)
    demand((yield from read_value(character, writer.add_arguments)) == END)


def read_inner_marks() -> Reading[str]:
    """An id that matters to nobody, and the mark before the arguments. Returns what follows."""
    character = yield
    if character == CALL_ID[1]:
        yield from expect_text(character, CALL_ID[1:])
        character = yield
        while character not in ("[", END):
            character = yield
        character = yield
    yield from expect_text(character, ARGS[1:])
    return (yield from skip_spaces())


SYNTAX: Final = CallSyntax(
    runs=(Run(mark=OPEN, first="[", between=",", last="]"),),
    named_runs=(NamedRun(OPEN, CALL_ID, ARGS),),
    extra_keys=("id",),
)
MISTRAL: Final = ToolFormat(marks=(Mark(OPEN, read),), inner_texts=(CALL_ID, ARGS), syntax=SYNTAX)
