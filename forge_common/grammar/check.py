"""Check: whether schemas compile and accept instances, one case a line of JSON, for judges outside.

    {"id", "schema", "instance"}  ──▶  {"id", "compiled", "error", "accepts"}

Without an instance only the schema is tried, and `accepts` is null. A line that is no such case is
answered too, by what is wrong with it.
An instance is written compactly, each number plainly, and keys in the order that the schema has
them: the language of any order is asked, which holds exactly the values of the ordered one. Knows
no tokens: the engine walks bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from msgspec import Struct

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine import Engine
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import is_empty
from forge_common.grammar.program import Program
from forge_common.grammar.schema.bounds import check_bounds
from forge_common.grammar.schema.compiler import SchemaOptions, compile_schema
from forge_common.grammar.schema.json_values import value_text
from forge_common.grammar.vocabulary import Vocabulary

OPTIONS = SchemaOptions(property_order="any")
NO_INSTANCE = object()
# The `id` of a line that is nested too deep for a parser, or no JSON behind it.
LEADING_ID = re.compile(r'\s*\{\s*"id"\s*:\s*("(?:[^"\\]|\\.)*"|-?[0-9]+)')


class Verdict(Struct):
    """`accepts` is None where the schema was not compiled, or there is no instance to try, or it
    could not be tried."""

    id: Any
    compiled: bool
    error: str | None = None
    accepts: bool | None = None


class NoCase(Verdict):
    """Of a line that asks nothing: it is no JSON, or not of the right shape."""


class Answer(NamedTuple):
    line_number: int  # from 1
    verdict: Verdict


class Checker:
    def __init__(self) -> None:
        self._automata = AutomatonStore()
        self._engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))

    def check_lines(self, lines: Iterable[str]) -> Iterator[Answer]:
        """One for each line that is not blank."""
        numbered = enumerate(lines, start=1)
        return (Answer(number, self.check_line(line)) for number, line in numbered if line.strip())

    def check_line(self, line: str) -> Verdict:
        try:
            line.encode()
            case = json.loads(line, parse_float=Decimal)
        except RecursionError:
            return Verdict(_leading_id(line), compiled=False, error="nested too deep")
        except ValueError as error:
            return NoCase(_leading_id(line), compiled=False, error=_reason(error))
        if not isinstance(case, dict):
            return NoCase(None, compiled=False, error="not a case: no JSON object")
        missing = [name for name in ("id", "schema") if name not in case]
        if missing:
            return NoCase(case.get("id"), compiled=False, error=f"not a case: no `{missing[0]}`")
        return self.check(case["id"], case["schema"], case.get("instance", NO_INSTANCE))

    def check(self, case_id: object, schema: object, instance: object) -> Verdict:
        try:
            program = compile_schema(schema, OPTIONS, self._automata)
        except GrammarError as error:
            return Verdict(case_id, compiled=False, error=error.message)
        if instance is NO_INSTANCE:
            return Verdict(case_id, compiled=True)
        try:
            return Verdict(case_id, compiled=True, accepts=self.accepts(program, instance))
        except GrammarError as error:
            return Verdict(case_id, compiled=True, error=f"the instance: {error.message}")

    def accepts(self, program: Program, instance: object) -> bool:
        check_bounds(instance)
        text = value_text(instance)
        if is_empty(program):
            return False
        try:
            state = self._engine.start(program).advance_bytes(text.encode())
        except UnicodeEncodeError:
            return False  # half a surrogate pair: no text of any grammar
        return state is not None and state.is_accepting


def _leading_id(line: str) -> object:
    found = LEADING_ID.match(line)
    return json.loads(found[1]) if found else None


def _reason(error: ValueError) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"not UTF-8, at character {error.start}"
    return f"not a case: {error}"
