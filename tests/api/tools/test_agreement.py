"""Grammar and parser agree on where calls begin: what is drawn freely is read as right calls only.

Texts are drawn byte by byte from the grammar of free replies, with fragments thrown in that look
like calls, good and bad ones, wherever the grammar lets them begin.
"""

from __future__ import annotations

import json
from random import Random
from typing import NamedTuple

import jsonschema
import pytest

from forge_api import reasoning
from forge_api.reasoning import ReasoningSplitter, ReasoningStart
from forge_api.tools import FORMATS, ToolCallArguments, ToolCallParser, ToolCallStart
from forge_common.grammar.call_syntax import FreeReply, ThoughtTags, Tool
from forge_common.grammar.engine import Engine, State
from forge_common.grammar.program import Whitespace
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.tool_calls import CallOptions, compile_reply
from forge_common.grammar.vocabulary import Vocabulary

SCHEMAS = {
    "add": {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"enum": ["}", "]", "</tool_call>"]}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    "add_two": {"type": "object", "properties": {}, "additionalProperties": False},
    "now": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "boolean"}},
}
TOOLS = [Tool(name, schema) for name, schema in SCHEMAS.items()]
TAGS = ThoughtTags(reasoning.OPEN, reasoning.CLOSE)
SPACES = ["", "", "", " ", "\n", "\n  ", "\t", "\u00a0", "\x0b"]
NAMES = [*SCHEMAS, "sub", "ad", "addx", "a\\u0064d"]
MARKS = sorted({mark.text for made in FORMATS.values() for mark in made.marks} - {"["})
ENDS = [
    *(text for made in FORMATS.values() for text in made.inner_texts),
    "]",
    "}",
    ";",
    ",",
    "```",
]
LOOSE = [*MARKS, *ENDS, "<think>", "</think>", "\n", "\n", " ", "x", "é", "{", "[", '"', "\\", "<"]
ARGUMENTS = [
    '{"a": 1, "b": "}"}', '{"b":"]","a":-3}', "{}", '{"x": true}', '{"a": 1}', '{"a', '"{}"', "5",
]  # fmt: skip
PYTHON_ARGUMENTS = [
    'a=1, b="}"', 'b = "]",\n a = -3', "", "x=True", "x=true", "a=1", "a=1, a=2", "a", 'b="', "5",
    "b='}', a=1", "x=not True",
]  # fmt: skip
MAX_BYTES = 3000


class Call(NamedTuple):
    name: str
    arguments: str


def written_call(random: Random) -> str:
    """A call, or nearly one, in any format."""
    space = random.choice(SPACES)
    name = f'"{random.choice(NAMES)}"'
    arguments = random.choice(ARGUMENTS)
    key = random.choice(['"parameters"', '"arguments"', '"argum\\u0065nts"'])
    other = random.choice(['"type": "function"', '"id": "\\"{"', '"type": {"x": 1}', '"age": 3'])
    members = [f'"name":{space}{name}', f"{key}{space}: {arguments}"]
    if random.random() < 0.2:
        random.shuffle(members)
    if random.random() < 0.3:
        members.insert(random.randrange(3), other)
    if random.random() < 0.2:
        return f"{name[1:-1]}{random.choice(['[ARGS]', '', '[CALL_ID]x1[ARGS]'])}{arguments}"
    return "{" + space + f"{space},{space}".join(members) + space + "}"


def python_call(random: Random) -> str:
    """The same in Python."""
    call = f"{random.choice(NAMES)}({random.choice(PYTHON_ARGUMENTS)}"
    return call + random.choice([")", ")", ")]", ")\n", ""])


def fragment(random: Random, own_marks: list[str]) -> str:
    if random.random() < 0.4:
        return random.choice(LOOSE)
    marks = own_marks if random.random() < 0.7 else MARKS
    opening = random.choice(["", "\n", "; ", *marks]) + random.choice(["", "[", *SPACES])
    write = random.choice([written_call, python_call])
    return opening + write(random) + random.choice(["", *SPACES, *ENDS])


class Drawer:
    def __init__(self, seed: int, name: str) -> None:
        self._random = Random(seed)
        self._marks = [mark.text for mark in FORMATS[name].marks]

    def draw(self, state: State, text: bytes) -> str:
        """Of which `text` is the beginning."""
        state = state.advance_bytes(text) or state
        while len(text) < 200 or not state.is_accepting:
            piece = self._fragment() if len(text) < 200 else self._way_out(state)
            for byte in piece:
                following = state.advance_bytes(bytes([byte]))
                if following is None:
                    break
                state = following
                text += bytes([byte])
            else:
                continue
            if len(text) < MAX_BYTES // 2 or not state.is_accepting:
                byte = self._random.choice(self._allowed(state))
                state = state.advance_bytes(bytes([byte])) or state
                text += bytes([byte])
            assert len(text) < MAX_BYTES
        return text.decode(errors="replace")

    def _fragment(self) -> bytes:
        return fragment(self._random, self._marks).encode()

    def _way_out(self, state: State) -> bytes:
        allowed = self._allowed(state)
        closing = [byte for byte in allowed if byte in b'"}])']
        return bytes([self._random.choice(closing or allowed)])

    def _allowed(self, state: State) -> list[int]:
        written = b' \n"{}[]():=,abnmdTtruefals_w0123456789<>/`;'
        return [byte for byte in written if state.advance_bytes(bytes([byte]))] or [
            byte for byte in range(255) if state.advance_bytes(bytes([byte]))
        ]


ENGINE = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))


def calls_in(name: str, text: str, start: ReasoningStart | None = None) -> list[Call]:
    if start is not None:
        text = ReasoningSplitter(start).push(text, is_last=True).content
    parser = ToolCallParser(FORMATS[name], frozenset(SCHEMAS))
    calls: list[Call] = []
    for delta in [*parser.push(text), *parser.finish()]:
        match delta:
            case ToolCallStart(name=called):
                calls.append(Call(called, ""))
            case ToolCallArguments(text=more):
                calls[-1] = calls[-1]._replace(arguments=calls[-1].arguments + more)
    return calls


def start_of(name: str, reply: FreeReply, *, is_parallel: bool, spaces: Whitespace) -> State:
    options = CallOptions(SchemaOptions("any", spaces), is_parallel)
    return ENGINE.start(compile_reply(TOOLS, FORMATS[name].syntax, options, reply).program)


STARTS = {
    None: FreeReply(),
    ReasoningStart.BEFORE: FreeReply("reply", TAGS),
    ReasoningStart.INSIDE: FreeReply("thoughts", TAGS),
    ReasoningStart.AFTER: FreeReply("content"),
}


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("name", FORMATS)
def test_every_call_in_a_free_reply_is_offered_and_valid(
    name: str, start: ReasoningStart | None
) -> None:
    num_calls = 0
    for seed in range(24):
        is_parallel = seed % 3 > 0
        spaces: Whitespace = "compact" if seed % 4 == 0 else "free"
        state = start_of(name, STARTS[start], is_parallel=is_parallel, spaces=spaces)
        opening = b"I think.</think>" if start is ReasoningStart.INSIDE and seed % 5 else b""
        text = Drawer(seed, name).draw(state, opening)
        found = calls_in(name, text, start)
        for call in found:
            assert call.name in SCHEMAS, text
            jsonschema.validate(json.loads(call.arguments), SCHEMAS[call.name])
        assert is_parallel or len(found) <= 1, text
        num_calls += len(found)
    assert num_calls > 0


@pytest.mark.parametrize("name", FORMATS)
def test_text_without_calls_is_as_free_as_ever(name: str) -> None:
    texts = [
        "",
        "Hello! 2 < 3, a [list], some_code(a={'b': 1})\n\n- x\n",
        "[1, 2]\n[ ] \n[add](http://add) [add(a=1)\n[sub(a=1), add(a=1)]\n[add, now]",
        '{"city": "Paris", "name": "add"}',
        'The tool is {"name": "sub"}.\n{"name": "Bob", "parameters": {}}',
        "<think>I could call <tool_call>{, or [TOOL_CALLS]x, or functools[ it</think>No.",
        "```json\n[1, 2]\n```\n```python\nprint(1)\n```",
        "\u00a0é🙂\x00",
    ]
    for text in texts:
        state = start_of(name, STARTS[ReasoningStart.BEFORE], is_parallel=True, spaces="free")
        after = state.advance_bytes(text.encode())
        assert after is not None, text
        assert after.is_accepting, text


OWN_WAYS = {
    "hermes": [
        'Wait. <tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>\n'
        '<tool_call>{"arguments": {"b": "]", "a": 2}, "name": "add"}</tool_call> Done.',
    ],
    "llama3_json": [
        '{"name": "now", "parameters": {}}; {"name": "now", "parameters": {"x": true}}',
        '<|python_tag|>{"type": "function", "name": "now", "parameters": {}}',
    ],
    "mistral": [
        '[TOOL_CALLS] [{"name": "now", "arguments": {}, "id": "123456789"}, '
        '{"name": "now", "arguments": {}}]',
        '[TOOL_CALLS]now[ARGS]{}[TOOL_CALLS]add_two[CALL_ID]abc123DEF[ARGS]{}',
        "[TOOL_CALLS]now{}",
    ],
    "phi4": [
        '<|tool_call|>[{"name": "now", "arguments": {}}]<|/tool_call|>',
        '<|tool_call|>{"name": "now", "arguments": {}}<|/tool_call|>',
        'functools[{"name": "now", "arguments": {}}, {"name": "now", "arguments": {}}]',
    ],
    "gemma3": [
        '```tool_call\n{"name": "now", "parameters": {}}\n```',
        'Let me see.\n```json\n{"name": "now", "parameters": {}}\n```',
        '{"name": "now", "parameters": {}}',
        '```tool_code\nnow()\nadd(a=1, b="}")\n```',
        '```tool_code\n[now()]\n```',
        "[now(x = True), now()]",
    ],
    "pythonic": [
        'Wait.\n[now(), add(b="]", a=2)] Done.',
        '<|python_start|>[now(x=False)]<|python_end|>',
        '<|python_start|>{"name": "now", "parameters": {}}<|python_end|>',
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_calls_may_be_written_as_models_were_taught(name: str) -> None:
    for text in OWN_WAYS[name]:
        assert calls_in(name, text)
        state = start_of(name, FreeReply(), is_parallel=True, spaces="free")
        after = state.advance_bytes(text.encode())
        assert after is not None, text
        assert after.is_accepting, text
