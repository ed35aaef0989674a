"""Tool calls as Hermes, Qwen and Forge's demo model write them.

some text <tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call> more text
"""

from __future__ import annotations

from typing import Final

from forge_api.tools.json_call import read_call
from forge_api.tools.reading import Mark, Reading, ToolFormat, expect, expect_text, skip_spaces
from forge_api.tools.reply_writer import ReplyWriter
from forge_common.grammar.call_syntax import CallSyntax, Run

OPEN: Final = "<tool_call>"
CLOSE: Final = "</tool_call>"


def read(writer: ReplyWriter) -> Reading[None]:
    yield from expect("{")
    yield from read_call(writer)
    first = yield from skip_spaces()
    yield from expect_text(first, CLOSE)


SYNTAX: Final = CallSyntax(runs=(Run(mark=OPEN, closing=CLOSE),))
HERMES: Final = ToolFormat(marks=(Mark(OPEN, read),), inner_texts=(CLOSE,), syntax=SYNTAX)
