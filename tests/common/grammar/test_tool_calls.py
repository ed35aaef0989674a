"""Calls are of tools that there are, with arguments of the very tool that is called."""

from __future__ import annotations

import json

import msgspec
import pytest

from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Program
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.spec import GrammarSpec, ToolCalls, compile_spec, spec_key
from forge_common.grammar.tool_calls import CallSyntax, Tool, compile_calls
from forge_common.grammar.vocabulary import Vocabulary

HERMES = CallSyntax(
    opening='<tool_call>\n{"name": "',
    middle='", "arguments": ',
    closing="}\n</tool_call>",
    between="\n",
)
ONE_OF_A_LIST = CallSyntax(
    first="functools[", opening='{"name": "', middle='", "arguments": ', closing="}", last="]"
)
TOOLS = (
    Tool("add", {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}),
    Tool(
        'say "hi"',
        {
            "type": "object",
            "properties": {"text": {"$ref": "#/$defs/t"}},
            "additionalProperties": False,
            "$defs": {"t": {"type": "string"}},
        },
    ),
)


def accepts(program: Program, text: str) -> bool:
    engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
    state = engine.start(program).advance_bytes(text.encode())
    return state is not None and state.is_accepting


def call(name: str, **arguments: object) -> str:
    written = json.dumps(arguments, separators=(",", ":"))
    return f'<tool_call>\n{{"name": {json.dumps(name)}, "arguments": {written}}}\n</tool_call>'


@pytest.fixture(scope="module")
def hermes() -> Program:
    return compile_calls(TOOLS, HERMES, SchemaOptions())


def test_each_tool_with_its_own_arguments(hermes: Program) -> None:
    assert accepts(hermes, call("add", a=1))
    assert accepts(hermes, call('say "hi"', text="é"))
    assert accepts(hermes, call('say "hi"'))


def test_neither_other_tools_nor_arguments_of_another(hermes: Program) -> None:
    for text in (call("sub", a=1), call("add", text="a"), call("add"), call('say "hi"', a=1)):
        assert not accepts(hermes, text)
    assert not accepts(hermes, "")
    assert not accepts(hermes, call("add", a=1) + " ")


def test_calls_may_follow_each_other_where_the_syntax_says_so(hermes: Program) -> None:
    two = call("add", a=1) + "\n" + call('say "hi"', text="x")
    assert accepts(hermes, two)
    single = compile_calls(TOOLS, ONE_OF_A_LIST, SchemaOptions())
    one = '{"name": "add", "arguments": {"a":1}}'
    assert accepts(single, f"functools[{one}]")
    assert not accepts(single, f"functools[{one}, {one}]")


def test_bad_schema_is_refused_with_its_place() -> None:
    tools = (TOOLS[0], Tool("bad", {"type": "object", "properties": {"x": {"type": "nonsense"}}}))
    with pytest.raises(GrammarError) as caught:
        compile_calls(tools, HERMES, SchemaOptions())
    assert (caught.value.pointer or "").startswith("/1/properties/x")


def test_tool_that_nothing_can_be_given_to_is_refused() -> None:
    with pytest.raises(GrammarError, match="no arguments fulfil the schema of never"):
        compile_calls((Tool("never", False),), HERMES, SchemaOptions())


def test_calls_are_a_spec_as_any_other() -> None:
    spec = ToolCalls(TOOLS, HERMES)
    assert compile_spec(spec) == compile_calls(TOOLS, HERMES, SchemaOptions())
    assert msgspec.json.decode(msgspec.json.encode(spec), type=GrammarSpec) == spec
    assert spec_key(spec) != spec_key(ToolCalls(TOOLS[:1], HERMES))
