"""Tool calls as Gemma 3 writes them, which has no one way: Python or JSON, fenced or not.

    ```tool_code            ```json                                          [add(a=1, b=2)]
    add(a=1, b=2)           {"name": "add", "parameters": {"a": 1, "b": 2}}
    ```                     ```                                              {"name": "add", …}

Only a fence that says `tool_code` or `tool_call` stands for itself; whatever else is a call must
name a known tool.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

from msgspec.structs import replace

from forge_api.tools import llama3_json, pythonic
from forge_api.tools.json_call import read_call
from forge_api.tools.pythonic import read_list, read_python_call
from forge_api.tools.reading import (
    END,
    Mark,
    Reading,
    ToolFormat,
    demand,
    expect,
    expect_text,
    skip_spaces,
)
from forge_api.tools.reply_writer import ReplyWriter
from forge_common.grammar.call_syntax import CallSyntax, Run

FENCE: Final = "```"
FENCED_CODE: Final = FENCE + "tool_code"
FENCED_CALL: Final = FENCE + "tool_call"
FENCED_JSON: Final = FENCE + "json"


def read_code(writer: ReplyWriter) -> Reading[None]:
    """Calls, a line each, or lists of them."""
    character = yield from skip_spaces()
    demand(character not in (FENCE[0], END))
    while character not in (FENCE[0], END):
        if character == "[":
            yield from read_list(writer, is_bare=False)
        else:
            yield from read_python_call(writer, character, is_bare=False)
        character = yield from skip_spaces()
    yield from expect_text(character, FENCE)


def read_json(writer: ReplyWriter, *, is_bare: bool) -> Reading[None]:
    yield from expect("{")
    yield from read_call(writer, is_bare=is_bare)
    first = yield from skip_spaces()
    yield from expect_text(first, FENCE)


def fence(text: str, read: Callable[[ReplyWriter], Reading[None]]) -> Mark:
    return Mark(text, read, needs_line_start=True)


SYNTAX: Final = CallSyntax(
    runs=(
        Run(between=";", goes_on=True),
        Run(mark=FENCED_CALL, needs_line_start=True, closing=FENCE),
        pythonic.LISTED,
        replace(pythonic.LISTED, mark=FENCED_CODE, needs_line_start=True, closing=FENCE),
        Run(
            notation="python",
            mark=FENCED_CODE,
            needs_line_start=True,
            first="\n",
            between="\n",
            closing=FENCE,
        ),
    ),
    arguments_key="parameters",
    extra_keys=("type", "id"),
    fences=(FENCED_JSON,),
)
GEMMA3: Final = ToolFormat(
    marks=(
        fence(FENCED_CODE, read_code),
        fence(FENCED_CALL, partial(read_json, is_bare=False)),
        fence(FENCED_JSON, partial(read_json, is_bare=True)),
        Mark("[", pythonic.read_bare, needs_line_start=True),
        Mark("{", llama3_json.read_bare, needs_line_start=True),
    ),
    syntax=SYNTAX,
)
