"""Calls that are forced are calls to the parser of the same format, whatever is drawn."""

from __future__ import annotations

import json

import pytest

from forge_api.tools import FORMATS, ToolCallArguments, ToolCallParser, ToolCallStart
from forge_common.grammar.call_syntax import Tool
from forge_common.grammar.engine import Engine
from forge_common.grammar.tool_calls import CallOptions, compile_calls
from forge_common.grammar.vocabulary import Vocabulary

ADD = Tool(
    "add",
    {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 0, "maximum": 9}, "b": {"const": "}"}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
)
SPACES = b" \t\r\n"
MAX_BYTES = 2000


def drawn(name: str, num_calls: int) -> str:
    """A text of the grammar: the first byte that is allowed and no space, and a comma or what
    begins a call as long as calls lack."""
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    state = engine.start(compile_calls([ADD], FORMATS[name].syntax, CallOptions()).program)
    text = b""
    while not state.is_accepting or text.count(b"add") < num_calls:
        choices = [byte for byte in range(255) if state.advance(byte) is not None]
        closing = [byte for byte in choices if byte == ord("]")]
        is_enough = text.count(b"add") >= num_calls
        unspaced = [byte for byte in choices if byte not in SPACES]
        plain = [byte for byte in b'"}nap' if byte in choices]
        byte = closing[0] if closing and is_enough else (plain or unspaced or choices)[0]
        state = state.advance(byte) or state
        text += bytes([byte])
        assert len(text) < MAX_BYTES
    return text.decode()


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("num_calls", [1, 3])
def test_what_is_forced_is_read_as_calls(name: str, num_calls: int) -> None:
    parser = ToolCallParser(FORMATS[name], frozenset({"add"}))
    deltas = [*parser.push(drawn(name, num_calls)), *parser.finish()]
    starts = [delta for delta in deltas if isinstance(delta, ToolCallStart)]
    assert [start.name for start in starts] == ["add"] * num_calls
    texts = [""] * num_calls
    for delta in deltas:
        if isinstance(delta, ToolCallArguments):
            texts[delta.index] += delta.text
    assert [json.loads(text) for text in texts] == [{"a": 0, "b": "}"}] * num_calls
