"""Evaluation: whether a value that is there already fulfils a schema.

That decides which values of an `enum` are left, and which keys `propertyNames` allows. Nothing is
refused here for want of an expression, since a value is only looked at. Knows no grammar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from forge_common.grammar.errors import GrammarTooLarge
from forge_common.grammar.schema.facts import (
    Alternative,
    AtLeast,
    AtMost,
    Conjunction,
    Contains,
    Excluded,
    Fact,
    Items,
    KeyCondition,
    Length,
    Listed,
    Matches,
    Meaning,
    MultipleOf,
    Names,
    NumItems,
    NumProperties,
    Properties,
    Required,
    SomeProperty,
    Term,
    Unique,
    kinds_of,
)
from forge_common.grammar.schema.json_values import exact, identity, kind_of
from forge_common.grammar.schema.meanings import Meanings
from forge_common.grammar.schema.regular import Regular
from forge_common.grammar.schema.steps import Steps

MAX_DEPTH = 80  # schemas within schemas that look at one value or at its parts: Python recurses


class Evaluation:
    def __init__(self, meanings: Meanings, regular: Regular, steps: Steps) -> None:
        self._meanings = meanings
        self._regular = regular
        self._steps = steps
        self._depth = 0
        self._by_fact: Mapping[type, Callable[[Any, Any], bool]] = {
            Excluded: lambda fact, value: not self.is_listed(fact.values, value),
            AtLeast: _is_at_least,
            AtMost: _is_at_most,
            MultipleOf: lambda fact, value: (exact(value) % fact.step == 0) is not fact.is_negated,
            Length: lambda fact, value: _is_within(fact, len(value)),
            Matches: self._matches,
            NumItems: lambda fact, value: _is_within(fact, len(value)),
            Items: self._has_items,
            Contains: self._contains,
            Unique: lambda fact, value: len(set(map(identity, value))) == len(value),
            NumProperties: lambda fact, value: _is_within(fact, len(value)),
            Properties: self._has_properties,
            Required: lambda fact, value: all(key in value for key in fact.keys),
            SomeProperty: self._has_some,
            Names: lambda fact, value: self.holds_for_each(fact.conjunction, value),
        }

    def holds(self, conjunction: Iterable[Term], value: object) -> bool:
        return all(self._term_holds(term, value) for term in conjunction)

    def holds_for_each(self, conjunction: Conjunction, values: Iterable[object]) -> bool:
        return all(self.holds(conjunction, value) for value in values)

    def fact_holds(self, fact: Fact, value: object) -> bool:
        return kind_of(value) not in kinds_of(fact) or self._by_fact[type(fact)](fact, value)

    def is_listed(self, listed: Listed, value: object) -> bool:
        return identity(value) in self._meanings.identities(listed)

    def _term_holds(self, term: Term, value: object) -> bool:
        self._steps.spend()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise GrammarTooLarge(f"schemas are nested more than {MAX_DEPTH} deep")
        try:
            meaning = self._meanings.of(Term(term.place))
            return (meaning is not None and self._fulfils(meaning, value)) is not term.is_negated
        finally:
            self._depth -= 1

    def _fulfils(self, meaning: Meaning, value: object) -> bool:
        return (
            all(self.is_listed(listed, value) for listed in meaning.listed)
            and self._is_alternative(meaning.always, value)
            and all(
                any(self._is_alternative(alternative, value) for alternative in choice)
                for choice in meaning.choices
            )
            and (
                meaning.one_of is None
                or sum(self._term_holds(Term(place), value) for place in meaning.one_of) == 1
            )
        )

    def _is_alternative(self, alternative: Alternative, value: object) -> bool:
        return (
            kind_of(value) in alternative.kinds
            and all(self.fact_holds(fact, value) for fact in alternative.facts)
            and self.holds(alternative.terms, value)
        )

    def _matches(self, fact: Matches, value: str) -> bool:
        return self._regular.matches(fact.pattern, value) is not fact.is_negated

    def _has_items(self, fact: Items, value: list[object]) -> bool:
        return all(self.holds(fact.at(index), item) for index, item in enumerate(value))

    def _contains(self, fact: Contains, value: list[object]) -> bool:
        num_found = sum(self._term_holds(fact.term, item) for item in value)
        return fact.minimum <= num_found and (fact.maximum is None or num_found <= fact.maximum)

    def _has_properties(self, fact: Properties, value: Mapping[str, object]) -> bool:
        by_key = self.by_key(fact)
        return all(self.holds(by_key(key), member) for key, member in value.items())

    def _has_some(self, fact: SomeProperty, value: Mapping[str, object]) -> bool:
        return any(
            self.is_among(fact.keys, key) and self.holds(fact.value, member)
            for key, member in value.items()
        )

    def is_among(self, keys: KeyCondition, key: str) -> bool:
        return (
            key not in keys.other_than
            and not any(self._regular.matches(pattern, key) for pattern in keys.without)
            and (keys.matching is None or self._regular.matches(keys.matching, key))
            and self.holds(keys.name, key)
        )

    def by_key(self, fact: Properties) -> Callable[[str], Conjunction]:
        """What the fact demands of the value behind a key."""
        named = {inner.key: inner.value for inner in fact.named}

        if not fact.patterns:
            return lambda key: named.get(key, fact.additional)

        def conjunction_at(key: str) -> Conjunction:
            found = [named[key]] if key in named else []
            found += [
                inner.value for inner in fact.patterns if self._regular.matches(inner.pattern, key)
            ]
            return frozenset[Term]().union(*found) if found else fact.additional

        return conjunction_at


def _is_at_least(fact: AtLeast, value: Any) -> bool:
    number, bound = exact(value), fact.bound
    return number > bound.value or (number == bound.value and not bound.is_exclusive)


def _is_at_most(fact: AtMost, value: Any) -> bool:
    number, bound = exact(value), fact.bound
    return number < bound.value or (number == bound.value and not bound.is_exclusive)


def _is_within(fact: Length | NumItems | NumProperties, count: int) -> bool:
    return fact.minimum <= count and (fact.maximum is None or count <= fact.maximum)
