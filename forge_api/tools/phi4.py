"""Tool calls as Phi-4 writes them: an array, or a single call, after either of two marks.

functools[{"name": "add", "arguments": {"a": 1}}]
<|tool_call|>[{"name": "add", "arguments": {"a": 1}}]<|/tool_call|>
<|tool_call|>{"name": "add", "arguments": {"a": 1}}<|/tool_call|>
"""

from __future__ import annotations

from typing import Final

from forge_api.tools.json_call import read_array, read_call
from forge_api.tools.reading import Mark, Reading, ToolFormat, demand, expect_text, skip_spaces
from forge_api.tools.reply_writer import ReplyWriter
from forge_common.grammar.call_syntax import CallSyntax, Run

FUNCTOOLS: Final = "functools["
OPEN: Final = "<|tool_call|>"
CLOSE: Final = "<|/tool_call|>"


def read_marked(writer: ReplyWriter) -> Reading[None]:
    opening = yield from skip_spaces()
    demand(opening in ("[", "{"))
    yield from read_array(writer) if opening == "[" else read_call(writer)
    first = yield from skip_spaces()
    yield from expect_text(first, CLOSE)


SYNTAX: Final = CallSyntax(
    runs=(
        Run(mark=FUNCTOOLS, between=",", last="]"),
        Run(mark=OPEN, first="[", between=",", last="]", closing=CLOSE),
        Run(mark=OPEN, closing=CLOSE),
    )
)
PHI4: Final = ToolFormat(
    marks=(Mark(FUNCTOOLS, read_array), Mark(OPEN, read_marked)),
    inner_texts=(CLOSE,),
    syntax=SYNTAX,
)
