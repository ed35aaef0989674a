"""Violations: ways in which a schema is not fulfilled, one for each that a keyword leaves open.

Those of keywords that only have to be read. Knows nothing of how choices are worked out.
"""

from __future__ import annotations

from itertools import combinations

from forge_common.grammar.schema.assertions import (
    Dependency,
    Range,
    absent,
    counts,
    refuse_negation,
)
from forge_common.grammar.schema.documents import Place
from forge_common.grammar.schema.facts import (
    Alternative,
    Bound,
    Conjunction,
    Excluded,
    Length,
    Listed,
    NumItems,
    NumProperties,
    Required,
    Term,
    everything,
    is_nothing,
    on_arrays,
    on_objects,
    on_strings,
)
from forge_common.grammar.schema.reader import SchemaReader

Violations = list[Alternative]


def violated(place: Place) -> Violations:
    return [Alternative((Term(place, is_negated=True),))]


def excluded(reader: SchemaReader, keyword: str) -> Violations:
    return [Alternative(facts=(Excluded(Listed(reader.place, keyword)),))]


def opposites(conjunction: Conjunction) -> list[Conjunction]:
    """One for each way not to fulfil it."""
    if is_nothing(conjunction):
        return [everything()]
    return [frozenset({term.opposite}) for term in conjunction]


def all_of(reader: SchemaReader) -> Violations:
    return [found for place in reader.children("allOf") for found in violated(place)]


def any_of(reader: SchemaReader) -> Violations:
    return [Alternative(tuple(Term(place, True) for place in reader.children("anyOf")))]


def one_of(reader: SchemaReader) -> Violations:
    """None of them, or two at least."""
    places = reader.children("oneOf")
    none = Alternative(tuple(Term(place, True) for place in places))
    return [none, *(Alternative((Term(a), Term(b))) for a, b in combinations(places, 2))]


def if_then(reader: SchemaReader) -> Violations:
    condition = Term(reader.child("if"))
    violations = []
    if "then" in reader:
        violations.append(Alternative((condition, Term(reader.child("then"), True))))
    if "else" in reader:
        violations.append(Alternative((condition.opposite, Term(reader.child("else"), True))))
    return violations


def beyond(bound: Bound) -> Bound:
    return Bound(bound.value, not bound.is_exclusive)


def _outside(range_: Range | None) -> list[Range]:
    if range_ is None:
        return []
    below = [Range(0, range_.minimum - 1)] if range_.minimum else []
    return below if range_.maximum is None else [*below, Range(range_.maximum + 1, None)]


def length(reader: SchemaReader) -> Violations:
    outside = _outside(counts(reader, "minLength", "maxLength"))
    return [on_strings(Length(*range_)) for range_ in outside]


def num_items(reader: SchemaReader) -> Violations:
    return [
        on_arrays(NumItems(*range_)) for range_ in _outside(counts(reader, "minItems", "maxItems"))
    ]


def num_properties(reader: SchemaReader) -> Violations:
    outside = _outside(counts(reader, "minProperties", "maxProperties"))
    return [on_objects(NumProperties(*range_)) for range_ in outside]


def unique(reader: SchemaReader) -> Violations:
    if reader.flag("uniqueItems"):
        raise refuse_negation(reader, "uniqueItems")
    return []


def required(reader: SchemaReader) -> Violations:
    return [on_objects(absent(key)) for key in reader.texts("required")]


def undependent(dependency: Dependency) -> Violations:
    violations = [
        on_objects(Required((dependency.key,)), absent(key)) for key in dependency.required
    ]
    if dependency.place is not None:
        opposite = Term(dependency.place, is_negated=True)
        violations.append(on_objects(Required((dependency.key,)), terms=(opposite,)))
    return violations
