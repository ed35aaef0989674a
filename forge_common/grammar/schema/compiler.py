"""compile_schema: JSON Schema (draft 2020-12 and before) to a Program with exactly its values.

    document ─▶ a rule for each conjunction of terms, in the shortest way there is ─▶ pruned

A schema whose values cannot be told exactly is refused with the pointer and the keyword that are
to blame; nothing is loosened. Recursion of schemas is recursion of rules. Knows no tokens, and no
keywords.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import Literal

from msgspec import Struct

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import productive_structures
from forge_common.grammar.program import AnyRule, AnyValue, Choice, Program, RuleIndex, Whitespace
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.canonical import CanonicalRules
from forge_common.grammar.schema.documents import Document
from forge_common.grammar.schema.facts import Conjunction, Term, is_nothing
from forge_common.grammar.schema.general import GeneralRules
from forge_common.grammar.schema.leaves import LeafKey, leaf_key
from forge_common.grammar.schema.plain import PlainRules
from forge_common.grammar.schema.references import References
from forge_common.grammar.schema.regular import Regular
from forge_common.grammar.schema.steps import Steps
from forge_common.grammar.schema.workbench import Workbench

PropertyOrder = Literal["schema", "any"]


class SchemaOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How values are written. `schema` order: as properties are listed, all others behind them."""

    property_order: PropertyOrder = "schema"
    whitespace: Whitespace = "compact"


def compile_schema(
    schema: object, options: SchemaOptions, automata: AutomatonStore | None = None
) -> Program:
    """GrammarError where it is malformed, too large, or not to be expressed exactly.

    The program of a schema that no value fulfils allows nothing: `productive.is_empty`.
    """
    return _Compiler(Document(schema), options, automata or AutomatonStore()).compile()


class _Compiler:
    def __init__(
        self, document: Document, options: SchemaOptions, automata: AutomatonStore
    ) -> None:
        self._document = document
        self._options = options
        self._automata = automata
        self._steps = Steps()
        self._rules = RuleTable()
        self._known: dict[Conjunction, RuleIndex] = {}
        self._waiting: deque[Conjunction] = deque()
        is_ordered = options.property_order == "schema"
        self._bench = Workbench(
            document, References(document), self._rules, self._rule_of, is_ordered, []
        )
        self._plain = PlainRules(self._bench)

    @cached_property
    def _general(self) -> GeneralRules:
        """Few schemas need it."""
        return GeneralRules(self._bench, Regular(self._automata, self._steps), self._steps)

    def compile(self) -> Program:
        root = self._rule_of(frozenset({Term(self._document.root)}))
        unfinished: dict[RuleIndex, Conjunction] = {}
        while self._waiting:
            conjunction = self._waiting.popleft()
            self._rules.set(self._known[conjunction], self._make_at(conjunction))
            unfinished.update(dict.fromkeys(self._bench.unfinished, conjunction))
            self._bench.unfinished.clear()
        for index, conjunction in unfinished.items():
            self._finish_at(conjunction, index)
        program = Program(self._rules.rules, root, self._options.whitespace)
        return productive_structures(program)

    def _make_at(self, conjunction: Conjunction) -> Choice:
        """Errors say where in the schema they arose, if they do not already."""
        try:
            self._steps.check_time()
            return self._make(conjunction)
        except GrammarError as error:
            raise self._located(error, conjunction) from error

    def _finish_at(self, conjunction: Conjunction, array: RuleIndex) -> None:
        try:
            CanonicalRules(self._rules, self._steps).make_items_canonical(array)
        except GrammarError as error:
            raise self._located(error, conjunction) from error

    def _located(self, error: GrammarError, conjunction: Conjunction) -> GrammarError:
        place = min(conjunction, default=Term(self._document.root)).place
        return error.located(self._document.pointer(place))

    def _rule_of(self, conjunction: Conjunction) -> RuleIndex:
        index = self._known.get(conjunction)
        if index is None:
            index = self._known[conjunction] = self._new_rule_of(conjunction)
        return index

    def _new_rule_of(self, conjunction: Conjunction) -> RuleIndex:
        if not conjunction:
            return self._rules.add(AnyValue())
        if is_nothing(conjunction):
            return self._rules.add(Choice(()))
        key = leaf_key(self._document, conjunction)
        return self._reserve(conjunction) if key is None else self._leaf(conjunction, key)

    def _reserve(self, conjunction: Conjunction) -> RuleIndex:
        self._waiting.append(conjunction)
        return self._rules.reserve()

    def _leaf(self, conjunction: Conjunction, key: LeafKey) -> RuleIndex:
        rules = self._automata.keep(key, lambda: self._make_leaf(conjunction))
        if len(rules) == 1:
            return self._rules.add(rules[0])
        return self._rules.add(Choice(tuple(map(self._rules.add, rules))))

    def _make_leaf(self, conjunction: Conjunction) -> tuple[AnyRule, ...]:
        """One of these rules, which call no others."""
        return tuple(self._rules[index] for index in self._make_at(conjunction).alternatives)

    def _make(self, conjunction: Conjunction) -> Choice:
        plain = self._plain.make(conjunction)
        if plain is None:
            return self._general.make(conjunction)
        self._steps.spend()
        return plain
