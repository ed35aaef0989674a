"""Calls in Python: what their grammar allows, the parser reads as right arguments, and all of them.

Schemas come with values that fulfil them. Texts of a grammar are drawn byte by byte.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from forge_api.tools import FORMATS, ToolCallParser
from forge_common.grammar.call_syntax import FreeReply, Tool
from forge_common.grammar.engine import Engine
from forge_common.grammar.program import Program
from forge_common.grammar.schema.compiler import SchemaOptions
from forge_common.grammar.tool_calls import CallOptions, compile_calls, compile_reply
from forge_common.grammar.vocabulary import Vocabulary
from tests.api.tools.replies import Reply, cut, cuts, joined
from tests.common.grammar.writer import Writer

ENGINE = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))
FREE = SchemaOptions("any", "free")
NAMES = ["a", "b2", "from", "größe", "_x", "None", "A"]
WRAPPED = {"pythonic": "[{}]", "gemma3": "```tool_code\n{}\n```"}
SEPARATOR = {"pythonic": ", ", "gemma3": "\n"}


class Typed(NamedTuple):
    schema: Any
    values: st.SearchStrategy[Any]


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
scalars = st.none() | st.booleans() | st.integers(-(10**20), 10**20) | texts
json_values = st.recursive(
    scalars | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
leaves = st.one_of(
    st.builds(Typed, st.just({}), st.just(json_values)),
    st.just(Typed({"type": "boolean"}, st.booleans())),
    st.just(Typed({"type": "integer", "minimum": -3}, st.integers(min_value=-3))),
    st.just(Typed({"type": "number"}, st.floats(allow_nan=False, allow_infinity=False))),
    st.just(Typed({"type": "number", "exclusiveMaximum": 1}, st.integers(max_value=0))),
    st.just(Typed({"type": ["string", "null"], "maxLength": 6}, texts | st.none())),
    st.just(Typed({"type": "string", "pattern": '^[/\\\\"é]*$'}, st.text('/\\"é', max_size=5))),
    st.lists(scalars | st.lists(scalars, max_size=2), min_size=1, max_size=3).map(
        lambda values: Typed({"enum": values}, st.sampled_from(values))
    ),
)


def listed(item: Typed) -> Typed:
    return Typed({"type": "array", "items": item.schema}, st.lists(item.values, max_size=3))


def dictionary(members: dict[str, Typed], is_closed: bool) -> Typed:
    required = sorted(members)[::2]
    schema = {
        "type": "object",
        "properties": {name: member.schema for name, member in members.items()},
        "required": required,
    }
    values = st.fixed_dictionaries(
        {name: members[name].values for name in required},
        optional={name: one.values for name, one in members.items() if name not in required},
    )
    return Typed(schema | ({"additionalProperties": False} if is_closed else {}), values)


def dictionaries(
    names: st.SearchStrategy[str], inner: st.SearchStrategy[Typed]
) -> st.SearchStrategy[Typed]:
    members = st.dictionaries(names, inner, min_size=1, max_size=3)
    return st.builds(dictionary, members, st.booleans())


nested = st.recursive(
    leaves, lambda inner: inner.map(listed) | dictionaries(texts, inner), max_leaves=4
)
parameters = dictionaries(st.sampled_from(NAMES), nested)


def python_text(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(python_text, value)) + "]"
    if isinstance(value, dict):
        members = (f"{python_text(key)}: {python_text(one)}" for key, one in value.items())
        return "{" + ", ".join(members) + "}"
    return json.dumps(value, ensure_ascii=False)


def call_text(name: str, arguments: dict[str, Any]) -> str:
    written = (f"{key}={python_text(value)}" for key, value in arguments.items())
    return f"{name}({', '.join(written)})"


def compiled(format_name: str, schema: Any, options: CallOptions) -> Program:
    tools = [Tool("f", schema), Tool("g.h", {"type": "object", "properties": {}})]
    return compile_calls(tools, FORMATS[format_name].syntax, options).program


def read(format_name: str, text: str, places: list[int]) -> Reply:
    parser = ToolCallParser(FORMATS[format_name], frozenset({"f", "g.h"}))
    deltas = [delta for piece in cut(text, places) for delta in parser.push(piece)]
    return joined([*deltas, *parser.finish()])


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(WRAPPED)), parameters, st.data(), cuts)
def test_every_value_can_be_written_and_comes_out_as_it_is(
    format_name: str, typed: Typed, data: st.DataObject, places: list[int]
) -> None:
    several = [data.draw(typed.values) for _ in range(data.draw(st.integers(1, 2)))]
    calls = [call_text("f", value) for value in several]
    text = WRAPPED[format_name].format(SEPARATOR[format_name].join([*calls, "g.h()"]))
    program = compiled(format_name, typed.schema, CallOptions(FREE))
    state = ENGINE.start(program).advance_bytes(text.encode())
    assert state is not None, text
    assert state.is_accepting
    reply = read(format_name, text, places)
    assert (reply.content, reply.names) == ("", [*("f" for _ in several), "g.h"])
    assert [json.loads(arguments) for arguments in reply.arguments] == [*several, {}]


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(sorted(FORMATS)),
    parameters,
    st.sampled_from([SchemaOptions("schema", "free"), SchemaOptions("schema", "compact")]),
    st.integers(0, 2**32),
    cuts,
)
def test_whatever_is_written_is_read_as_valid_arguments(
    format_name: str, typed: Typed, options: SchemaOptions, seed: int, places: list[int]
) -> None:
    program = compiled(format_name, typed.schema, CallOptions(options, is_parallel=False))
    text = Writer(seed, closing=b'"])}`eE').write(program)
    reply = read(format_name, text, places)
    assert reply.content == "", text
    [name], [arguments] = reply.names, reply.arguments
    assert name in ("f", "g.h")
    if name == "f":
        jsonschema.validate(json.loads(arguments), typed.schema)


@pytest.mark.parametrize("format_name", WRAPPED)
def test_free_calls_come_out_as_they_are(format_name: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "array"}, "from": {}}}
    tools = [Tool("f", schema)]
    syntax = FORMATS[format_name].syntax
    program = compile_reply(tools, syntax, CallOptions(FREE), FreeReply()).program
    value = {"a": [None, {"x": True}, "\n😀/"], "from": -0.5}
    text = "Hm.\n" + WRAPPED[format_name].format(call_text("f", value)) + " So."
    state = ENGINE.start(program).advance_bytes(text.encode())
    assert state is not None
    assert state.is_accepting
    reply = read(format_name, text, [])
    assert (reply.content, reply.names) == ("Hm.\n So.", ["f"])
    assert json.loads(reply.arguments[0]) == value
