"""A Program of tool calls, as a model was trained to write them, with arguments by their schemas.

    first  (opening name middle ARGUMENTS closing)  (between (opening …))*  last

Names and arguments belong together: a call is of one tool, and its arguments are those of its
schema. Knows no parser, and not which model writes how.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

from msgspec import Meta, Struct

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import is_empty, productive
from forge_common.grammar.program import AnyRule, Choice, Literals, Program, Repeat, RuleIndex
from forge_common.grammar.program import Sequence as SequenceRule
from forge_common.grammar.rule_graph import with_callees
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema

MAX_TOOLS = 1024


class CallSyntax(Struct, frozen=True, forbid_unknown_fields=True):
    """Texts around the parts of calls; names stand in a JSON string, without its quotes."""

    opening: str
    middle: str
    closing: str
    first: str = ""
    between: str | None = None  # None: there is one call only
    last: str = ""


class Tool(Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    parameters: Any  # JSON Schema


Tools = Annotated[tuple[Tool, ...], Meta(min_length=1, max_length=MAX_TOOLS)]


def compile_calls(
    tools: Sequence[Tool],
    syntax: CallSyntax,
    options: SchemaOptions,
    automata: AutomatonStore | None = None,
) -> Program:
    """GrammarError, whose pointer begins with the tool's place in the list, for a bad schema."""
    store = automata or AutomatonStore()
    table = RuleTable()
    root = table.reserve()
    calls = [
        _call(table, syntax, tool.name, _arguments(table, index, tool, options, store))
        for index, tool in enumerate(tools)
    ]
    table.set(root, SequenceRule(_around(table, syntax, table.add(Choice(tuple(calls))))))
    return productive(Program(table.rules, root, options.whitespace), store)


def _around(table: RuleTable, syntax: CallSyntax, call: RuleIndex) -> tuple[RuleIndex, ...]:
    parts = [*_literal(table, syntax.first), call]
    if syntax.between is not None:
        further = table.add(SequenceRule((*_literal(table, syntax.between), call)))
        parts.append(table.add(Repeat(further)))
    return (*parts, *_literal(table, syntax.last))


def _call(table: RuleTable, syntax: CallSyntax, name: str, arguments: RuleIndex) -> RuleIndex:
    written = json.dumps(name, ensure_ascii=False)[1:-1]
    before = _literal(table, syntax.opening + written + syntax.middle)
    return table.add(SequenceRule((*before, arguments, *_literal(table, syntax.closing))))


def _literal(table: RuleTable, text: str) -> tuple[RuleIndex, ...]:
    return (table.add(Literals((text.encode(),))),) if text else ()


def _arguments(
    table: RuleTable, index: int, tool: Tool, options: SchemaOptions, store: AutomatonStore
) -> RuleIndex:
    try:
        program = compile_schema(tool.parameters, options, store)
    except GrammarError as error:
        raise type(error)(
            error.reason, pointer=f"/{index}{error.pointer or ''}", keyword=error.keyword
        ) from error
    if is_empty(program):
        raise GrammarError(f"no arguments fulfil the schema of {tool.name}", pointer=f"/{index}")
    return _taken_in(table, program)


def _taken_in(table: RuleTable, program: Program) -> RuleIndex:
    """Where the root of `program` is among the rules of `table`."""
    places = [table.reserve() for _ in program.rules]
    rules: list[AnyRule] = [with_callees(rule, places) for rule in program.rules]
    for place, rule in zip(places, rules, strict=True):
        table.set(place, rule)
    return places[program.root]
