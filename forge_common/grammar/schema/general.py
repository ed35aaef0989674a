"""GeneralRules: the rule of any conjunction of terms, whatever their schemas say.

    meanings of terms ─▶ expansion to outcomes ─▶ branches by kind ─▶ a choice of rules

What the values inside come to is asked for, not worked out. Knows nothing of which schemas could be
read in a shorter way.
"""

from __future__ import annotations

from collections.abc import Sequence

from forge_common.grammar.program import (
    AnyValue,
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    Property,
    RuleIndex,
)
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
from forge_common.grammar.schema.emptiness import Emptiness
from forge_common.grammar.schema.evaluation import Evaluation
from forge_common.grammar.schema.expansion import Expansion
from forge_common.grammar.schema.facts import Conjunction, nothing
from forge_common.grammar.schema.json_values import is_encodable, value_text
from forge_common.grammar.schema.meanings import Meanings
from forge_common.grammar.schema.objects import Callees, ObjectRules
from forge_common.grammar.schema.regular import Regular
from forge_common.grammar.schema.steps import Steps
from forge_common.grammar.schema.workbench import Workbench

STEPS_OF_CONSTANT = 4  # a rule, and its part of all that passes over the rules


class GeneralRules:
    def __init__(self, bench: Workbench, regular: Regular, steps: Steps) -> None:
        assertions = Assertions(bench.document, bench.references, regular)
        meanings = Meanings(bench.document, assertions)
        evaluation = Evaluation(meanings, regular, steps)
        emptiness = Emptiness(meanings, evaluation, regular, steps)
        callees = Callees(bench.rule_of, self._branches_of)
        self._rules = bench.rules
        self._rule_of = bench.rule_of
        self._is_ordered = bench.is_ordered
        self._regular = regular
        self._steps = steps
        self._maker = BranchMaker(meanings, evaluation)
        self._expansion = Expansion(meanings, evaluation, steps, emptiness.disjoint_one_of)
        self._objects = ObjectRules(bench.rules, callees, evaluation, regular)
        self._arrays = ArrayRules(bench.rules, callees, regular, bench.unfinished)

    def make(self, conjunction: Conjunction) -> Choice:
        """GrammarError where it cannot be expressed exactly."""
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

    def _branches_of(self, conjunction: Conjunction) -> Sequence[Branch]:
        return self._maker.branches_of(self._expansion.expand(conjunction))

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
