"""GrammarSpec: what a request asks its text to be, in one of seven ways, and the Program of each.

`JsonSchema` covers tools, `response_format` and the rest. A spec is data that can be hashed: equal
specs have equal keys, on every machine. Knows no field of a request.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.call_syntax import CallSyntax, FreeReply, Tools
from forge_common.grammar.ebnf import compile_ebnf
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import is_empty, productive
from forge_common.grammar.program import (
    AnyRule,
    AnyValue,
    JsonString,
    Literals,
    Object,
    OtherProperties,
    PatternText,
    Program,
    Text,
    Whitespace,
)
from forge_common.grammar.schema.bounds import check_bounds
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.tool_calls import (
    CallOptions,
    LooseProgram,
    compile_calls,
    compile_reply,
)

KEY_BYTES = 16
MAX_CHOICES = 2**16


class _Spec(Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """One of the classes below."""


class JsonSchema(_Spec, frozen=True):
    schema: Any
    options: SchemaOptions = SchemaOptions()


class JsonObject(_Spec, frozen=True):
    """Any JSON object at all."""

    whitespace: Whitespace = "compact"


class Regex(_Spec, frozen=True):
    """Text that matches from end to end (ECMA-262)."""

    pattern: PatternText


class Choices(_Spec, frozen=True):
    """One of these texts."""

    texts: Annotated[tuple[str, ...], Meta(min_length=1, max_length=MAX_CHOICES)]


class Ebnf(_Spec, frozen=True):
    """A grammar as llama.cpp writes it."""

    grammar: str


class ToolCalls(_Spec, frozen=True):
    """Calls of these tools and nothing else."""

    tools: Tools
    syntax: CallSyntax
    options: SchemaOptions = SchemaOptions()
    is_parallel: bool = True  # otherwise there is one call


class ReplyWithCalls(_Spec, frozen=True):
    """Free text, in which whatever begins as a call is one of these tools."""

    tools: Tools
    syntax: CallSyntax
    reply: FreeReply = FreeReply()
    options: SchemaOptions = SchemaOptions()
    is_parallel: bool = True  # otherwise there is one call at most


GrammarSpec = JsonSchema | JsonObject | Regex | Choices | Ebnf | ToolCalls | ReplyWithCalls


def spec_key(spec: GrammarSpec) -> bytes:
    """For caches. The order of keys counts, since it decides the order of properties."""
    if isinstance(spec, JsonSchema):
        check_bounds(spec.schema)
    if isinstance(spec, ToolCalls | ReplyWithCalls):
        for tool in spec.tools:
            check_bounds(tool.parameters)
    try:
        return blake2b(msgspec.json.encode(spec), digest_size=KEY_BYTES).digest()
    except UnicodeEncodeError:
        raise GrammarError("it is not Unicode text") from None


def compile_spec(spec: GrammarSpec, automata: AutomatonStore | None = None) -> Program:
    """GrammarError for what cannot be expressed exactly, or allows no text at all."""
    return compile_loosely(spec, automata).program


def compile_loosely(spec: GrammarSpec, automata: AutomatonStore | None = None) -> LooseProgram:
    """The same, and which tools had a schema that does not count, since they are not strict."""
    store = automata or AutomatonStore()
    match spec:
        case ToolCalls(tools, syntax, options, is_parallel):
            loose = compile_calls(tools, syntax, CallOptions(options, is_parallel), store)
        case ReplyWithCalls(tools, syntax, reply, options, is_parallel):
            loose = compile_reply(tools, syntax, CallOptions(options, is_parallel), reply, store)
        case _:
            loose = LooseProgram(_compile(spec, store))
    if is_empty(loose.program):
        raise GrammarError("nothing fulfils it", pointer="" if type(spec) is JsonSchema else None)
    return loose


def _compile(
    spec: JsonSchema | JsonObject | Regex | Choices | Ebnf, automata: AutomatonStore
) -> Program:
    match spec:
        case JsonSchema(schema, options):
            return compile_schema(schema, options, automata)
        case JsonObject(whitespace):
            return Program(_any_object(), 0, whitespace)
        case Regex(pattern):
            return productive(Program((Text(pattern),)), automata)
        case Choices(texts):
            return Program((Literals(tuple(map(_encoded, texts))),))
        case Ebnf(grammar):
            return compile_ebnf(grammar, automata)


def _any_object() -> tuple[AnyRule, ...]:
    return (Object(others=(OtherProperties(key=1, value=2),)), JsonString(), AnyValue())


def _encoded(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise GrammarError("a choice is not Unicode text") from None
