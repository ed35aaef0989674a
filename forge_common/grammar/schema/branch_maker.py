"""BranchMaker: what an outcome leaves of each kind of value, its facts merged into one branch.

A branch may still be impossible to fulfil; see `emptiness` and, in the end, `productive`. Knows
nothing of rules.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import JsonString, Number, Pattern
from forge_common.grammar.schema.branches import (
    ArrayBranch,
    Branch,
    ConstantsBranch,
    NumberBranch,
    ObjectBranch,
    StringBranch,
)
from forge_common.grammar.schema.evaluation import Evaluation
from forge_common.grammar.schema.expansion import Expanded, Outcome
from forge_common.grammar.schema.facts import (
    NUMBERS,
    AtLeast,
    AtMost,
    Contains,
    Excluded,
    Fact,
    Items,
    Length,
    Matches,
    MultipleOf,
    Names,
    NumItems,
    NumProperties,
    Properties,
    Required,
    SomeProperty,
    Term,
    Unique,
)
from forge_common.grammar.schema.json_values import (
    Kind,
    is_encodable,
    is_number,
    kind_of,
    number_text,
)
from forge_common.grammar.schema.meanings import Meanings

MAX_OBJECTS = 256
CONSTANT_KINDS = frozenset({Kind.NULL, Kind.BOOLEAN})

Range = TypeVar("Range", Length, NumItems, NumProperties)
OneFact = TypeVar("OneFact")


class BranchMaker:
    def __init__(self, meanings: Meanings, evaluation: Evaluation) -> None:
        self._meanings = meanings
        self._evaluation = evaluation

    def branches_of(self, expanded: Expanded) -> list[Branch]:
        found = [branch for outcome in expanded.outcomes for branch in self.branches(outcome)]
        found = list(dict.fromkeys(found))
        if expanded.values:
            found.append(ConstantsBranch(expanded.values))
        return found

    def branches(self, outcome: Outcome) -> list[Branch]:
        kinds, facts = outcome
        found: list[Branch | None] = [self._constants(outcome)]
        if kinds & NUMBERS:
            found.append(self._number(kinds, facts))
        if Kind.STRING in kinds:
            found.append(self._string(facts))
        if Kind.ARRAY in kinds:
            self._refuse_excluded(facts, Kind.ARRAY)
            found.append(_array(facts))
        if Kind.OBJECT in kinds:
            self._refuse_excluded(facts, Kind.OBJECT)
            found += self._objects(facts)
        return [branch for branch in found if branch is not None]

    def _objects(self, facts: Sequence[Fact]) -> list[ObjectBranch]:
        """One for each way in which properties may be there that have to be."""
        whole = _object(facts)
        found = [] if whole is None else [whole]
        for wanted in _only(SomeProperty, facts):
            if whole is not None and not whole.is_closed:
                raise GrammarError(
                    "its opposite asks for a key without a name", keyword=wanted.keyword
                )
            found = [
                branch.with_property(key, wanted.value)
                for branch in found
                for key in branch.declared
                if self._evaluation.is_among(wanted.keys, key)
            ]
            if len(found) > MAX_OBJECTS:
                raise GrammarTooLarge(f"an object in more than {MAX_OBJECTS} forms")
        return found

    def _constants(self, outcome: Outcome) -> ConstantsBranch | None:
        """Of null, true and false, those that are left."""
        if outcome.kinds.isdisjoint(CONSTANT_KINDS):
            return None
        values = tuple(
            value
            for value in (None, True, False)
            if kind_of(value) in outcome.kinds
            and all(
                self._evaluation.fact_holds(fact, value) for fact in _only(Excluded, outcome.facts)
            )
        )
        return ConstantsBranch(values) if values else None

    def _excluded(self, facts: Sequence[Fact]) -> list[object]:
        lists = [self._meanings.values(fact.values) for fact in _only(Excluded, facts)]
        return [value for values in lists for value in values]

    def _refuse_excluded(self, facts: Sequence[Fact], kind: Kind) -> None:
        if any(kind_of(value) is kind for value in self._excluded(facts)):
            raise GrammarError(f"an {kind.value} cannot be excluded exactly", keyword="not")

    def _string(self, facts: Sequence[Fact]) -> StringBranch | None:
        length = _intersection(Length(), _only(Length, facts))
        if length is None:
            return None
        patterns = dict.fromkeys(
            Pattern(fact.pattern, fact.is_negated) for fact in _only(Matches, facts)
        )
        excluded = [
            value
            for value in self._excluded(facts)
            if isinstance(value, str) and is_encodable(value)
        ]
        return StringBranch(
            JsonString(
                tuple(patterns), length.minimum, length.maximum, tuple(sorted(set(excluded)))
            )
        )

    def _number(self, kinds: frozenset[Kind], facts: Sequence[Fact]) -> NumberBranch | None:
        lower = max(
            (fact.bound for fact in _only(AtLeast, facts)),
            key=lambda bound: (bound.value, bound.is_exclusive),
            default=None,
        )
        upper = min(
            (fact.bound for fact in _only(AtMost, facts)),
            key=lambda bound: (bound.value, not bound.is_exclusive),
            default=None,
        )
        if lower and upper and lower.value > upper.value:
            return None
        lowest = None if lower is None else number_text(lower.value)
        highest = None if upper is None else number_text(upper.value)
        excluded = {number_text(value) for value in self._excluded(facts) if is_number(value)}
        steps = _only(MultipleOf, facts)
        return NumberBranch(
            Number(
                is_integer=Kind.FRACTIONAL not in kinds,
                is_fractional=Kind.INTEGER not in kinds,
                minimum=None if lower and lower.is_exclusive else lowest,
                exclusive_minimum=lowest if lower and lower.is_exclusive else None,
                maximum=None if upper and upper.is_exclusive else highest,
                exclusive_maximum=highest if upper and upper.is_exclusive else None,
                multiples_of=_texts_of(fact for fact in steps if not fact.is_negated),
                no_multiples_of=_texts_of(fact for fact in steps if fact.is_negated),
                excluded=tuple(sorted(excluded)),
            )
        )


def _texts_of(steps: Iterable[MultipleOf]) -> tuple[str, ...]:
    return tuple(sorted({number_text(fact.step) for fact in steps}))


def _only(kind: type[OneFact], facts: Iterable[Fact]) -> list[OneFact]:
    return [fact for fact in facts if isinstance(fact, kind)]


def _intersection(whole: Range, ranges: Iterable[Range]) -> Range | None:
    least, most = whole.minimum, whole.maximum
    for found in ranges:
        least = max(least, found.minimum)
        if found.maximum is not None:
            most = found.maximum if most is None else min(most, found.maximum)
    if most is not None and least > most:
        return None
    return type(whole)(least, most)


def _array(facts: Sequence[Fact]) -> ArrayBranch | None:
    num_items = _intersection(NumItems(), _only(NumItems, facts))
    if num_items is None:
        return None
    contains = _only(Contains, facts)
    terms = {fact.term for fact in contains}
    if len(terms) > 1:
        raise GrammarError("several conditions to count items by", keyword="contains")
    return ArrayBranch(
        layers=tuple(_only(Items, facts)),
        num_items=num_items,
        contains=_same_contains(contains) if contains else None,
        is_unique=bool(_only(Unique, facts)),
    )


def _same_contains(contains: Sequence[Contains]) -> Contains:
    """Of one term: all counts at once. An impossible range stays one."""
    maxima = [fact.maximum for fact in contains if fact.maximum is not None]
    return Contains(
        contains[0].term,
        max(fact.minimum for fact in contains),
        min(maxima) if maxima else None,
    )


def _object(facts: Sequence[Fact]) -> ObjectBranch | None:
    num_properties = _intersection(NumProperties(), _only(NumProperties, facts))
    if num_properties is None:
        return None
    required = [key for fact in _only(Required, facts) for key in fact.keys]
    names = [fact.conjunction for fact in _only(Names, facts)]
    return ObjectBranch(
        layers=tuple(_only(Properties, facts)),
        num_properties=num_properties,
        required=tuple(dict.fromkeys(required)),
        names=frozenset[Term]().union(*names),
    )
