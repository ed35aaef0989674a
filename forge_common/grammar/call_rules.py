"""CallRules: the rules of calls behind their marks, one tool's name with that tool's arguments.

Marks are written as plain text or as the special token of that text, whichever a model has. Knows
nothing of what stands around calls.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.call_syntax import CallSyntax, NamedRun, Run, Tool
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import is_empty
from forge_common.grammar.program import (
    AnyRule,
    Choice,
    JsonString,
    Literals,
    Object,
    Program,
    Property,
    Repeat,
    RuleIndex,
    Text,
    special_token,
)
from forge_common.grammar.program import Sequence as SequenceRule
from forge_common.grammar.python_arguments import is_name_of_call, python_arguments
from forge_common.grammar.rule_graph import with_callees
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema

SPACE: Final = Text(r"[ \t\r\n]{0,32}")
CALL_ID: Final = Text("[a-zA-Z0-9_-]{0,64}")
MAX_EXTRA_CHARACTERS: Final = 64
ANY_ARGUMENTS: Final = {"type": "object"}


NOTHING: Final = Program((Choice(()),))


class _Arguments(NamedTuple):
    """Of one tool."""

    json: RuleIndex
    python: RuleIndex


class CallRules:
    """`loosened` are tools by their place, whose arguments may be any object."""

    def __init__(
        self,
        tools: Sequence[Tool],
        syntax: CallSyntax,
        options: SchemaOptions,
        automata: AutomatonStore,
    ) -> None:
        """GrammarError, which has the tool's place, for a strict one's schema."""
        self.table = RuleTable()
        self.space = self.table.add(SPACE)
        self.loosened: list[int] = []
        self._tools = tools
        self._syntax = syntax
        self._options = options
        self._automata = automata
        self._is_python = any(run.notation == "python" for run in syntax.runs)
        self._arguments = [self._arguments_of(index, tool) for index, tool in enumerate(tools)]
        self._object = self.choice(map(self._object_of, tools, self._arguments))
        self._bare_object = self.choice(map(self._bare_object_of, tools, self._arguments))
        self._python_call = self.choice(map(self._python_call_of, tools, self._arguments))

    def run(self, run: Run, *, is_parallel: bool) -> RuleIndex:
        """Behind its mark."""
        between = run.between if is_parallel else None
        parts = [*self._before_first(run), self._call(run)]
        if between is not None:
            parts.append(self.table.add(Repeat(self._further(run, between))))
        closing = (self.space, self.mark(run.closing)) if run.closing else ()
        return self.sequence(*parts, *self._spaced(run.last), *closing)

    def _call(self, run: Run) -> RuleIndex:
        if run.notation == "python":
            return self._python_call
        return self._object if run.mark else self._bare_object

    def _before_first(self, run: Run) -> tuple[RuleIndex, ...]:
        space = (self.space,) if run.mark and not run.first.isspace() else ()
        return (*space, self._literal(run.first), self.space) if run.first else space

    def _further(self, run: Run, between: str) -> RuleIndex:
        separator = self._literal(between)
        separator = self._maybe(separator) if run.goes_on else separator
        space = () if between.isspace() else (self.space,)
        return self.sequence(*space, separator, self.space, self._call(run))

    def named_run(self, run: NamedRun) -> RuleIndex:
        """Behind its mark."""
        call_id = self.sequence(self.mark(run.id_mark), self.table.add(CALL_ID))
        marks = self.sequence(self._maybe(call_id), self.mark(run.arguments_mark))
        between = self._maybe(marks)
        calls = (
            self.sequence(self._literal(tool.name), between, self.space, arguments.json)
            for tool, arguments in zip(self._tools, self._arguments, strict=True)
        )
        return self.sequence(self.space, self.choice(calls))

    def mark(self, text: str) -> RuleIndex:
        return self.table.add(Literals((text.encode(), special_token(text.encode()))))

    def choice(self, rules: Iterable[RuleIndex]) -> RuleIndex:
        return self.table.add(Choice(tuple(dict.fromkeys(rules))))

    def sequence(self, *rules: RuleIndex) -> RuleIndex:
        return self.table.add(SequenceRule(rules))

    def _maybe(self, rule: RuleIndex) -> RuleIndex:
        return self.choice((rule, self.sequence()))

    def _spaced(self, text: str) -> tuple[RuleIndex, ...]:
        return (self.space, self._literal(text)) if text else ()

    def _literal(self, text: str) -> RuleIndex:
        return self.table.add(Literals((text.encode(),)))

    def _python_call_of(self, tool: Tool, arguments: _Arguments) -> RuleIndex:
        return self.sequence(self._literal(tool.name), arguments.python)

    def _object_of(self, tool: Tool, arguments: _Arguments) -> RuleIndex:
        return self.table.add(Object(self._members(tool, arguments), is_ordered=False))

    def _bare_object_of(self, tool: Tool, arguments: _Arguments) -> RuleIndex:
        """Arguments come last: before the name they are those of no call."""
        return self.table.add(Object(self._members(tool, arguments)))

    def _members(self, tool: Tool, arguments: _Arguments) -> tuple[Property, ...]:
        name = self._literal(json.dumps(tool.name, ensure_ascii=False))
        string = self.table.add(JsonString(max_length=MAX_EXTRA_CHARACTERS))
        return (
            *(Property(key, string) for key in self._syntax.extra_keys),
            Property("name", name, is_required=True),
            Property(self._syntax.arguments_key, arguments.json, is_required=True),
        )

    def _arguments_of(self, index: int, tool: Tool) -> _Arguments:
        try:
            return self._written(self._compiled(index, tool), index, tool)
        except GrammarError:
            if tool.is_strict:
                raise
            self.loosened.append(index)
            program = compile_schema(ANY_ARGUMENTS, self._options, self._automata)
            return self._written(program, index, tool)

    def _compiled(self, index: int, tool: Tool) -> Program:
        try:
            program = compile_schema(tool.parameters, self._options, self._automata)
        except GrammarError as error:
            raise error.of_tool(index) from error
        if is_empty(program):
            raise GrammarError("nothing fulfils it", pointer="", tool=index)
        return program

    def _written(self, program: Program, index: int, tool: Tool) -> _Arguments:
        python = self._in_python(program, index, tool) if self._is_python else NOTHING
        return _Arguments(self._taken_in(program), self._taken_in(python))

    def _in_python(self, program: Program, index: int, tool: Tool) -> Program:
        """Nothing where all can be said in JSON as well."""
        try:
            if not is_name_of_call(tool.name):
                raise GrammarError("a tool's name that Python's calls cannot have", pointer="")
            found = python_arguments(program)
            if is_empty(found):
                raise GrammarError("nothing that Python's calls can say fulfils it", pointer="")
        except GrammarError as error:
            if self._syntax.has_bare("json"):
                return NOTHING
            raise error.of_tool(index) from error
        return found

    def _taken_in(self, program: Program) -> RuleIndex:
        """Where the root of `program` is among the rules of the table."""
        places = [self.table.reserve() for _ in program.rules]
        rules: list[AnyRule] = [with_callees(rule, places) for rule in program.rules]
        for place, rule in zip(places, rules, strict=True):
            self.table.set(place, rule)
        return places[program.root]
