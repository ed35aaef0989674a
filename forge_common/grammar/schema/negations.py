"""What a schema says where it must not be fulfilled: one of its keywords has to be violated.

Some violations cannot be expressed (that two items are equal, that some item behind the prefix
differs) and are refused. Knows nothing of how choices are worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import combinations

from forge_common.grammar.schema.assertions import (
    Assertions,
    Dependency,
    Range,
    absent,
    counts,
    refuse_negation,
)
from forge_common.grammar.schema.documents import Place
from forge_common.grammar.schema.facts import (
    EVERY_KIND,
    Alternative,
    AtLeast,
    AtMost,
    Bound,
    Conjunction,
    Contains,
    Excluded,
    Items,
    KeyCondition,
    Length,
    Listed,
    Matches,
    Meaning,
    MultipleOf,
    NamedProperty,
    NumItems,
    NumProperties,
    Properties,
    Required,
    SomeProperty,
    Term,
    everything,
    is_nothing,
    on_arrays,
    on_numbers,
    on_objects,
    on_strings,
)
from forge_common.grammar.schema.json_values import Kind
from forge_common.grammar.schema.reader import SchemaReader

Violations = list[Alternative]
SPOKEN_FOR_ELSEWHERE = frozenset({"then", "else", "additionalItems", "minContains", "maxContains"})


class NegativeMeanings:
    def __init__(self, assertions: Assertions) -> None:
        self._assertions = assertions
        self._by_keyword: Mapping[str, Callable[[SchemaReader], Violations]] = {
            "$ref": lambda reader: self._reference(reader, "$ref"),
            "$dynamicRef": lambda reader: self._reference(reader, "$dynamicRef"),
            "$recursiveRef": lambda reader: self._reference(reader, "$recursiveRef"),
            "allOf": _all_of,
            "anyOf": _any_of,
            "oneOf": _one_of,
            "not": lambda reader: [Alternative((Term(reader.child("not")),))],
            "if": _if,
            "type": self._type,
            "enum": lambda reader: _excluded(reader, "enum"),
            "const": lambda reader: _excluded(reader, "const"),
            "minimum": self._lower_bound,
            "exclusiveMinimum": self._lower_bound,
            "maximum": self._upper_bound,
            "exclusiveMaximum": self._upper_bound,
            "multipleOf": self._multiple,
            "minLength": _length,
            "maxLength": _length,
            "pattern": self._pattern,
            "format": self._format,
            "items": self._items,
            "prefixItems": self._items,
            "unevaluatedItems": self._items,
            "minItems": _num_items,
            "maxItems": _num_items,
            "uniqueItems": _unique,
            "contains": self._contains,
            "properties": self._properties,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "unevaluatedProperties": self._additional_properties,
            "propertyNames": self._names,
            "required": _required,
            "minProperties": _num_properties,
            "maxProperties": _num_properties,
            "dependencies": lambda reader: self._dependencies(reader, "dependencies"),
            "dependentRequired": lambda reader: self._dependencies(reader, "dependentRequired"),
            "dependentSchemas": lambda reader: self._dependencies(reader, "dependentSchemas"),
        }

    def of(self, place: Place) -> Meaning:
        reader = self._assertions.reader(place)
        violations: Violations = []
        for keyword in reader:
            if keyword not in SPOKEN_FOR_ELSEWHERE:
                violations += self._by_keyword[keyword](reader)
        return Meaning(choices=(tuple(dict.fromkeys(violations)),))

    def _reference(self, reader: SchemaReader, keyword: str) -> Violations:
        return _violated(self._assertions.reference(reader, keyword))

    def _type(self, reader: SchemaReader) -> Violations:
        return [Alternative(kinds=EVERY_KIND - self._assertions.kinds(reader))]

    # numbers

    def _lower_bound(self, reader: SchemaReader) -> Violations:
        bounds = [lower.bound for lower in self._assertions.lower_bounds(reader)]
        return [on_numbers(AtMost(_beyond(bound))) for bound in bounds]

    def _upper_bound(self, reader: SchemaReader) -> Violations:
        bounds = [upper.bound for upper in self._assertions.upper_bounds(reader)]
        return [on_numbers(AtLeast(_beyond(bound))) for bound in bounds]

    def _multiple(self, reader: SchemaReader) -> Violations:
        step = self._assertions.step(reader)
        if step == 1:
            return [Alternative(kinds=frozenset({Kind.FRACTIONAL}))]
        return [on_numbers(MultipleOf(step, is_negated=True))]

    # strings

    def _pattern(self, reader: SchemaReader) -> Violations:
        text = self._assertions.pattern(reader, "pattern", reader.text("pattern"))
        return [on_strings(Matches(text, is_negated=True))]

    def _format(self, reader: SchemaReader) -> Violations:
        format_ = self._assertions.format(reader)
        if format_ is None:
            return []
        violations = [on_strings(Matches(format_.pattern, is_negated=True))]
        if format_.max_length is not None:
            violations.append(on_strings(Length(minimum=format_.max_length + 1)))
        return violations

    # arrays

    def _items(self, reader: SchemaReader) -> Violations:
        items = self._assertions.items(reader)
        if items is None:
            return []
        violations = [
            on_arrays(
                Items((everything(),) * index + (opposite,), everything()), NumItems(index + 1)
            )
            for index, inner in enumerate(items.prefix)
            for opposite in _opposites(inner)
        ]
        return violations + self._rest(reader, items)

    def _rest(self, reader: SchemaReader, items: Items) -> Violations:
        if not items.rest:
            return []
        if is_nothing(items.rest):
            return [on_arrays(NumItems(len(items.prefix) + 1))]
        if items.prefix:
            raise refuse_negation(reader, "items")
        return [on_arrays(Contains(term.opposite, 1)) for term in items.rest]

    def _contains(self, reader: SchemaReader) -> Violations:
        contains = self._assertions.contains(reader)
        term, least, most = contains.term, contains.minimum, contains.maximum
        violations = []
        if least == 1:
            violations.append(on_arrays(Items((), frozenset({term.opposite}))))
        elif least > 1:
            violations.append(on_arrays(Contains(term, 0, least - 1)))
        if most is not None:
            violations.append(on_arrays(Contains(term, most + 1)))
        return violations

    # objects

    def _properties(self, reader: SchemaReader) -> Violations:
        return [
            on_objects(Required((name,)), Properties((NamedProperty(name, opposite),)))
            for name, place in reader.named_children("properties")
            for opposite in _opposites(self._assertions.conjunction(place))
        ]

    def _pattern_properties(self, reader: SchemaReader) -> Violations:
        properties = self._assertions.properties(reader)
        return [
            on_objects(SomeProperty(KeyCondition(matching=pattern), opposite, "patternProperties"))
            for pattern, value in (properties.patterns if properties else ())
            for opposite in _opposites(value)
        ]

    def _additional_properties(self, reader: SchemaReader) -> Violations:
        properties = self._assertions.properties(reader)
        if properties is None or not properties.additional:
            return []
        others = KeyCondition(
            other_than=tuple(named.key for named in properties.named),
            without=tuple(named.pattern for named in properties.patterns),
        )
        if others == KeyCondition() and is_nothing(properties.additional):
            return [on_objects(NumProperties(1))]
        return [
            on_objects(SomeProperty(others, opposite, "additionalProperties"))
            for opposite in _opposites(properties.additional)
        ]

    def _names(self, reader: SchemaReader) -> Violations:
        conjunction = self._assertions.conjunction(reader.child("propertyNames"))
        if is_nothing(conjunction):
            return [on_objects(NumProperties(1))]
        return [
            on_objects(
                SomeProperty(
                    KeyCondition(name=frozenset({term.opposite})), everything(), "propertyNames"
                )
            )
            for term in conjunction
        ]

    def _dependencies(self, reader: SchemaReader, keyword: str) -> Violations:
        return [
            violation
            for dependency in self._assertions.dependencies(reader, keyword)
            for violation in _undependent(dependency)
        ]


def _violated(place: Place) -> Violations:
    return [Alternative((Term(place, is_negated=True),))]


def _excluded(reader: SchemaReader, keyword: str) -> Violations:
    return [Alternative(facts=(Excluded(Listed(reader.place, keyword)),))]


def _opposites(conjunction: Conjunction) -> list[Conjunction]:
    """One for each way not to fulfil it."""
    if is_nothing(conjunction):
        return [everything()]
    return [frozenset({term.opposite}) for term in conjunction]


def _all_of(reader: SchemaReader) -> Violations:
    return [found for place in reader.children("allOf") for found in _violated(place)]


def _any_of(reader: SchemaReader) -> Violations:
    return [Alternative(tuple(Term(place, True) for place in reader.children("anyOf")))]


def _one_of(reader: SchemaReader) -> Violations:
    """None of them, or two at least."""
    places = reader.children("oneOf")
    none = Alternative(tuple(Term(place, True) for place in places))
    return [none, *(Alternative((Term(a), Term(b))) for a, b in combinations(places, 2))]


def _if(reader: SchemaReader) -> Violations:
    condition = Term(reader.child("if"))
    violations = []
    if "then" in reader:
        violations.append(Alternative((condition, Term(reader.child("then"), True))))
    if "else" in reader:
        violations.append(Alternative((condition.opposite, Term(reader.child("else"), True))))
    return violations


def _beyond(bound: Bound) -> Bound:
    return Bound(bound.value, not bound.is_exclusive)


def _outside(range_: Range | None) -> list[Range]:
    if range_ is None:
        return []
    below = [Range(0, range_.minimum - 1)] if range_.minimum else []
    return below if range_.maximum is None else [*below, Range(range_.maximum + 1, None)]


def _length(reader: SchemaReader) -> Violations:
    outside = _outside(counts(reader, "minLength", "maxLength"))
    return [on_strings(Length(*range_)) for range_ in outside]


def _num_items(reader: SchemaReader) -> Violations:
    return [
        on_arrays(NumItems(*range_)) for range_ in _outside(counts(reader, "minItems", "maxItems"))
    ]


def _num_properties(reader: SchemaReader) -> Violations:
    outside = _outside(counts(reader, "minProperties", "maxProperties"))
    return [on_objects(NumProperties(*range_)) for range_ in outside]


def _unique(reader: SchemaReader) -> Violations:
    if reader.flag("uniqueItems"):
        raise refuse_negation(reader, "uniqueItems")
    return []


def _required(reader: SchemaReader) -> Violations:
    return [on_objects(absent(key)) for key in reader.texts("required")]


def _undependent(dependency: Dependency) -> Violations:
    violations = [
        on_objects(Required((dependency.key,)), absent(key)) for key in dependency.required
    ]
    if dependency.place is not None:
        opposite = Term(dependency.place, is_negated=True)
        violations.append(on_objects(Required((dependency.key,)), terms=(opposite,)))
    return violations
