"""What a schema says where it must not be fulfilled: one of its keywords has to be violated.

Some violations cannot be expressed (that two items are equal, that some item behind the prefix
differs) and are refused. Knows nothing of how choices are worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from forge_common.grammar.schema.assertions import (
    Assertions,
    refuse_negation,
)
from forge_common.grammar.schema.documents import Place
from forge_common.grammar.schema.facts import (
    EVERY_KIND,
    Alternative,
    AtLeast,
    AtMost,
    Contains,
    Items,
    KeyCondition,
    Length,
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
from forge_common.grammar.schema.violations import (
    Violations,
    all_of,
    any_of,
    beyond,
    excluded,
    if_then,
    length,
    num_items,
    num_properties,
    one_of,
    opposites,
    required,
    undependent,
    unique,
    violated,
)

SPOKEN_FOR_ELSEWHERE = frozenset({"then", "else", "additionalItems", "minContains", "maxContains"})


class NegativeMeanings:
    def __init__(self, assertions: Assertions) -> None:
        self._assertions = assertions
        self._by_keyword: Mapping[str, Callable[[SchemaReader], Violations]] = {
            "$ref": lambda reader: self._reference(reader, "$ref"),
            "$dynamicRef": lambda reader: self._reference(reader, "$dynamicRef"),
            "$recursiveRef": lambda reader: self._reference(reader, "$recursiveRef"),
            "allOf": all_of,
            "anyOf": any_of,
            "oneOf": one_of,
            "not": lambda reader: [Alternative((Term(reader.child("not")),))],
            "if": if_then,
            "type": self._type,
            "enum": lambda reader: excluded(reader, "enum"),
            "const": lambda reader: excluded(reader, "const"),
            "minimum": self._lower_bound,
            "exclusiveMinimum": self._lower_bound,
            "maximum": self._upper_bound,
            "exclusiveMaximum": self._upper_bound,
            "multipleOf": self._multiple,
            "minLength": length,
            "maxLength": length,
            "pattern": self._pattern,
            "format": self._format,
            "items": self._items,
            "prefixItems": self._items,
            "unevaluatedItems": self._items,
            "minItems": num_items,
            "maxItems": num_items,
            "uniqueItems": unique,
            "contains": self._contains,
            "properties": self._properties,
            "patternProperties": self._pattern_properties,
            "additionalProperties": self._additional_properties,
            "unevaluatedProperties": self._additional_properties,
            "propertyNames": self._names,
            "required": required,
            "minProperties": num_properties,
            "maxProperties": num_properties,
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
        return violated(self._assertions.references.at(reader, keyword))

    def _type(self, reader: SchemaReader) -> Violations:
        return [Alternative(kinds=EVERY_KIND - self._assertions.kinds(reader))]

    # numbers

    def _lower_bound(self, reader: SchemaReader) -> Violations:
        bounds = [lower.bound for lower in self._assertions.lower_bounds(reader)]
        return [on_numbers(AtMost(beyond(bound))) for bound in bounds]

    def _upper_bound(self, reader: SchemaReader) -> Violations:
        bounds = [upper.bound for upper in self._assertions.upper_bounds(reader)]
        return [on_numbers(AtLeast(beyond(bound))) for bound in bounds]

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
            for opposite in opposites(inner)
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
            for opposite in opposites(self._assertions.references.conjunction(place))
        ]

    def _pattern_properties(self, reader: SchemaReader) -> Violations:
        properties = self._assertions.properties(reader)
        return [
            on_objects(SomeProperty(KeyCondition(matching=pattern), opposite, "patternProperties"))
            for pattern, value in (properties.patterns if properties else ())
            for opposite in opposites(value)
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
            for opposite in opposites(properties.additional)
        ]

    def _names(self, reader: SchemaReader) -> Violations:
        conjunction = self._assertions.references.conjunction(reader.child("propertyNames"))
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
            for violation in undependent(dependency)
        ]
