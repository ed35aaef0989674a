"""A Program of tool calls: of nothing else, or of a reply that is free but where it is a call.

    forced   run (space run)*
    free     text without a mark, mark, the rest of the run, text without a mark, …

In free text every mark begins a call, so that whatever is read as one is of a tool that is offered,
with arguments by its schema. Knows no parser, and not which model writes how.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.call_rules import CallRules
from forge_common.grammar.call_syntax import CallSyntax, FreeReply, Notation, ThoughtTags, Tool
from forge_common.grammar.productive import productive
from forge_common.grammar.program import (
    Choice,
    FreeEnd,
    FreeStart,
    FreeText,
    Marks,
    Program,
    Repeat,
    RuleIndex,
    Tags,
)
from forge_common.grammar.schema.compiler import SchemaOptions

BEFORE: Final[Mapping[Notation, FreeEnd]] = {"json": "before object", "python": "before list"}


class CallOptions(NamedTuple):
    schema: SchemaOptions = SchemaOptions()
    is_parallel: bool = True  # otherwise there is one call at most


class LooseProgram(NamedTuple):
    program: Program
    loosened: tuple[int, ...] = ()  # tools by their place, whose arguments may be any object


def compile_calls(
    tools: Sequence[Tool],
    syntax: CallSyntax,
    options: CallOptions,
    automata: AutomatonStore | None = None,
) -> LooseProgram:
    """GrammarError, which has the tool's place in the list, for a bad schema of a strict one."""
    store = automata or AutomatonStore()
    rules = CallRules(tools, syntax, options.schema, store)
    return _program(rules, _forced(rules, syntax, options.is_parallel), options, store)


def compile_reply(
    tools: Sequence[Tool],
    syntax: CallSyntax,
    options: CallOptions,
    reply: FreeReply,
    automata: AutomatonStore | None = None,
) -> LooseProgram:
    """GrammarError as above."""
    store = automata or AutomatonStore()
    rules = CallRules(tools, syntax, options.schema, store)
    names = [tool.name for tool in tools]
    free = _FreeRules(
        rules, _marks(syntax, names, reply), _ways(rules, syntax, options.is_parallel)
    )
    root = free.several(reply.start) if options.is_parallel else free.one_at_most(reply.start)
    return _program(rules, root, options, store)


def _program(
    rules: CallRules, root: RuleIndex, options: CallOptions, automata: AutomatonStore
) -> LooseProgram:
    program = Program(rules.table.rules, root, options.schema.whitespace)
    return LooseProgram(productive(program, automata), tuple(rules.loosened))


def _forced(rules: CallRules, syntax: CallSyntax, is_parallel: bool) -> RuleIndex:
    wholes = []
    for run in syntax.runs:
        mark = (rules.mark(run.mark),) if run.mark else ()
        whole = rules.sequence(*mark, rules.run(run, is_parallel=is_parallel))
        is_repeated = is_parallel and run.between is None
        wholes.append(_repeated(rules, whole) if is_repeated else whole)
    for named in syntax.named_runs:
        whole = rules.sequence(rules.mark(named.mark), rules.named_run(named))
        wholes.append(_repeated(rules, whole) if is_parallel else whole)
    return rules.choice(wholes)


def _repeated(rules: CallRules, whole: RuleIndex) -> RuleIndex:
    further = rules.sequence(rules.space, whole)
    return rules.sequence(whole, rules.table.add(Repeat(further)))


class _Way(NamedTuple):
    """Into calls, and out of them."""

    mark: bytes  # b"" for the start of a line
    end: FreeEnd  # of the text before
    rest: RuleIndex
    after: FreeStart


def _ways(rules: CallRules, syntax: CallSyntax, is_parallel: bool) -> list[_Way]:
    return [
        *(
            _Way(
                run.mark.encode(),
                "behind mark" if run.mark else BEFORE[run.notation],
                rules.run(run, is_parallel=is_parallel),
                "sequence" if run.goes_on else "content",
            )
            for run in syntax.runs
        ),
        *(
            _Way(run.mark.encode(), "behind mark", rules.named_run(run), "content")
            for run in syntax.named_runs
        ),
    ]


def _marks(syntax: CallSyntax, names: Sequence[str], reply: FreeReply) -> Marks:
    runs = [run for run in syntax.runs if run.mark]
    free = [run.mark for run in runs if not run.needs_line_start]
    return Marks(
        texts=_encoded([*free, *(run.mark for run in syntax.named_runs)]),
        line_texts=_encoded(run.mark for run in runs if run.needs_line_start),
        names=_encoded(names) if syntax.has_bare("json") else (),
        listed_names=_encoded(names) if syntax.has_bare("python") else (),
        fences=_encoded(syntax.fences),
        thoughts=None if reply.thoughts is None else _tags(reply.thoughts),
    )


def _tags(tags: ThoughtTags) -> Tags:
    return Tags(tags.opening.encode(), tags.closing.encode())


def _encoded(texts: Iterable[str]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(text.encode() for text in texts))


class _FreeRules:
    def __init__(self, rules: CallRules, marks: Marks, ways: Sequence[_Way]) -> None:
        self._rules = rules
        self._marks = marks
        self._ways = ways
        self._by_start: dict[FreeStart, RuleIndex] = {}

    def several(self, start: FreeStart) -> RuleIndex:
        """Text, and where a call comes in it, more of the same behind that one."""
        found = self._by_start.get(start)
        if found is None:
            found = self._by_start[start] = self._rules.table.reserve()
            calls = [
                self._rules.sequence(*self._call(start, way), self.several(way.after))
                for way in self._ways
            ]
            self._rules.table.set(found, Choice((self._end(start), *calls)))
        return found

    def one_at_most(self, start: FreeStart) -> RuleIndex:
        calls = [
            self._rules.sequence(*self._call(start, way), self._end(way.after))
            for way in self._ways
        ]
        return self._rules.choice((self._end(start), *calls))

    def _call(self, start: FreeStart, way: _Way) -> tuple[RuleIndex, RuleIndex]:
        before = FreeText(self._marks, start, way.end, way.mark)
        return self._rules.table.add(before), way.rest

    def _end(self, start: FreeStart) -> RuleIndex:
        return self._rules.table.add(FreeText(self._marks, start))
