"""compile_schema: JSON Schema (draft 2020-12 and before) to a Program with exactly its values.

    document ─▶ meanings of terms ─▶ expansion to outcomes ─▶ branches by kind ─▶ rules ─▶ pruned

A schema whose values cannot be told exactly is refused with the pointer and the keyword that are
to blame; nothing is loosened. Recursion of schemas is recursion of rules. Knows no tokens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

from msgspec import Struct

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.productive import productive_structures
from forge_common.grammar.program import (
    AnyRule,
    AnyValue,
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    Program,
    Property,
    RuleIndex,
    Whitespace,
)
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.arrays import ArrayRules
from forge_common.grammar.schema.assertions import Assertions
from forge_common.grammar.schema.branch_maker import BranchMaker
from forge_common.grammar.schema.branches import (
    ArrayBranch,
    Branch,
    ConstantsBranch,
    NumberBranch,
    ObjectBranch,
    StringBranch,
)
from forge_common.grammar.schema.canonical import CanonicalRules
from forge_common.grammar.schema.documents import Document
from forge_common.grammar.schema.emptiness import Emptiness
from forge_common.grammar.schema.evaluation import Evaluation
from forge_common.grammar.schema.expansion import Expansion
from forge_common.grammar.schema.facts import Conjunction, Term, is_nothing, nothing
from forge_common.grammar.schema.json_values import is_encodable, value_text
from forge_common.grammar.schema.leaves import LeafKey, leaf_key
from forge_common.grammar.schema.meanings import Meanings
from forge_common.grammar.schema.objects import Callees, ObjectRules
from forge_common.grammar.schema.plain import PlainRules
from forge_common.grammar.schema.regular import Regular
from forge_common.grammar.schema.steps import Steps

STEPS_OF_CONSTANT = 4  # a rule, and its part of all that passes over the rules
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
    steps = Steps()
    return _Compiler(Document(schema), options, automata or AutomatonStore(), steps).compile()


class _Compiler:
    def __init__(
        self, document: Document, options: SchemaOptions, automata: AutomatonStore, steps: Steps
    ) -> None:
        self._steps = steps
        self._automata = automata
        self._regular = regular = Regular(automata, steps)
        assertions = Assertions(document, regular)
        meanings = Meanings(document, assertions)
        evaluation = Evaluation(meanings, regular, steps)
        emptiness = Emptiness(meanings, evaluation, regular, steps)
        self._document = document
        self._options = options
        self._maker = BranchMaker(meanings, evaluation)
        self._expansion = Expansion(meanings, evaluation, steps, emptiness.disjoint_one_of)
        self._rules = RuleTable()
        self._known: dict[Conjunction, RuleIndex] = {}
        self._waiting: deque[Conjunction] = deque()
        callees = Callees(self._rule_of, self._branches_of)
        self._objects = ObjectRules(self._rules, callees, evaluation, regular)
        self._arrays = ArrayRules(self._rules, callees, regular)
        self._canonical = CanonicalRules(self._rules, steps)
        self._plain = PlainRules(document, assertions, self._rules, self._rule_of, self._is_ordered)

    def compile(self) -> Program:
        root = self._rule_of(frozenset({Term(self._document.root)}))
        unfinished: dict[RuleIndex, Conjunction] = {}
        while self._waiting:
            conjunction = self._waiting.popleft()
            self._rules.set(self._known[conjunction], self._make_at(conjunction))
            unfinished.update((index, conjunction) for index in self._arrays.take_unfinished())
        for index, conjunction in unfinished.items():
            with self._at(conjunction):
                self._canonical.make_items_canonical(index)
        program = Program(self._rules.rules, root, self._options.whitespace)
        return productive_structures(program)

    def _make_at(self, conjunction: Conjunction) -> Choice:
        """Errors say where in the schema they arose, if they do not already."""
        with self._at(conjunction):
            self._steps.check_time()
            return self._make(conjunction)

    @contextmanager
    def _at(self, conjunction: Conjunction) -> Iterator[None]:
        try:
            yield
        except GrammarError as error:
            place = min(conjunction, default=Term(self._document.root)).place
            raise error.located(self._document.pointer(place)) from error

    def _rule_of(self, conjunction: Conjunction) -> RuleIndex:
        if not conjunction:
            return self._rules.add(AnyValue())
        if is_nothing(conjunction):
            return self._rules.add(Choice(()))
        index = self._known.get(conjunction)
        if index is None:
            key = leaf_key(self._document, conjunction)
            index = self._reserve(conjunction) if key is None else self._leaf(conjunction, key)
            self._known[conjunction] = index
        return index

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

    def _branches_of(self, conjunction: Conjunction) -> Sequence[Branch]:
        return self._maker.branches_of(self._expansion.expand(conjunction))

    def _make(self, conjunction: Conjunction) -> Choice:
        plain = self._plain.make(conjunction)
        if plain is not None:
            self._steps.spend()
            return Choice((self._rules.add(plain),))
        expanded = self._expansion.expand(conjunction)
        if any(outcome.is_everything for outcome in expanded.outcomes):
            return Choice((self._rules.add(AnyValue()),))
        alternatives: list[RuleIndex] = []
        texts: list[bytes] = []
        for branch in self._maker.branches_of(expanded):
            if isinstance(branch, ConstantsBranch):
                alternatives += self._structures(branch)
                texts += _scalars(branch)
            else:
                alternatives.append(self._rule_of_branch(branch))
        if texts:
            alternatives.append(self._rules.add(Literals(tuple(dict.fromkeys(texts)))))
        return Choice(tuple(dict.fromkeys(alternatives)))

    def _rule_of_branch(
        self, branch: StringBranch | NumberBranch | ArrayBranch | ObjectBranch
    ) -> RuleIndex:
        match branch:
            case StringBranch(rule):
                counted = self._regular.with_counts_as_lengths(rule)
                return self._scalar(counted, self._regular.is_string_empty(counted))
            case NumberBranch(rule):
                return self._scalar(rule, self._regular.is_number_empty(rule))
            case ArrayBranch():
                return self._arrays.make(branch)
            case ObjectBranch():
                return self._objects.make(branch, self._is_ordered)

    def _scalar(self, rule: JsonString | Number, is_empty: bool) -> RuleIndex:
        return self._rule_of(nothing()) if is_empty else self._rules.add(rule)

    @property
    def _is_ordered(self) -> bool:
        return self._options.property_order == "schema"

    def _structures(self, branch: ConstantsBranch) -> list[RuleIndex]:
        return [self._constant(value) for value in branch.values if isinstance(value, dict | list)]

    def _constant(self, value: object) -> RuleIndex:
        """Recurses as deep as the value is nested, which is bounded."""
        self._steps.spend(STEPS_OF_CONSTANT)
        if isinstance(value, list):
            items = tuple(Item(other=self._constant(item)) for item in value)
            return self._rules.add(Array(prefix=items, min_items=len(items), max_items=len(items)))
        if isinstance(value, dict):
            if not all(map(is_encodable, value)):
                return self._rule_of(nothing())
            properties = tuple(
                Property(key, self._constant(member), is_required=True)
                for key, member in value.items()
            )
            return self._rules.add(Object(properties, is_ordered=self._is_ordered))
        if isinstance(value, str) and not is_encodable(value):
            return self._rule_of(nothing())
        return self._rules.add(Literals((value_text(value).encode(),)))


def _scalars(branch: ConstantsBranch) -> list[bytes]:
    return [
        value_text(value).encode()
        for value in branch.values
        if not isinstance(value, dict | list)
        and (not isinstance(value, str) or is_encodable(value))
    ]
