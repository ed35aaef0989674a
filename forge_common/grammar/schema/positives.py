"""What a schema says where it has to be fulfilled: keyword by keyword, to facts, terms and choices.

Knows nothing of schemas that must not be fulfilled, nor of how choices are worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from forge_common.grammar.schema.assertions import Assertions, Dependency, absent, counts
from forge_common.grammar.schema.documents import Place
from forge_common.grammar.schema.facts import (
    EVERY_KIND,
    Alternative,
    Choice,
    Fact,
    Length,
    Listed,
    Matches,
    Meaning,
    MultipleOf,
    Names,
    NumItems,
    NumProperties,
    Required,
    Term,
    Unique,
    on_objects,
)
from forge_common.grammar.schema.reader import SchemaReader

DEPENDENCIES = ("dependencies", "dependentRequired", "dependentSchemas")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
TERMS = frozenset({*REFERENCES, "allOf", "not"})
CHOICES = frozenset({*DEPENDENCIES, "anyOf", "oneOf", "if"})
NUMBER_KEYWORDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
STRING_KEYWORDS = ("minLength", "maxLength", "pattern", "format")
ARRAY_KEYWORDS = (
    "prefixItems",
    "items",
    "unevaluatedItems",
    "minItems",
    "maxItems",
    "uniqueItems",
    "contains",
)
OBJECT_KEYWORDS = (
    "properties",
    "patternProperties",
    "additionalProperties",
    "unevaluatedProperties",
    "required",
    "minProperties",
    "maxProperties",
    "propertyNames",
)


class PositiveMeanings:
    def __init__(self, assertions: Assertions) -> None:
        self._assertions = assertions
        self._makers: dict[str, Callable[[SchemaReader], list[Fact]]] = {
            **dict.fromkeys(NUMBER_KEYWORDS, self._number_facts),
            **dict.fromkeys(STRING_KEYWORDS, self._string_facts),
            **dict.fromkeys(ARRAY_KEYWORDS, self._array_facts),
            **dict.fromkeys(OBJECT_KEYWORDS, self._object_facts),
        }

    def of(self, place: Place) -> Meaning:
        reader = self._assertions.reader(place)
        always = Alternative(
            () if TERMS.isdisjoint(reader) else tuple(self._terms(reader)),
            tuple(self._facts(reader)),
            self._assertions.kinds(reader) if "type" in reader else EVERY_KIND,
        )
        if CHOICES.isdisjoint(reader):
            return Meaning(always, listed=_listed(reader))
        one_of = tuple(reader.children("oneOf")) if "oneOf" in reader else None
        return Meaning(always, tuple(self._choices(reader)), one_of, _listed(reader))

    def _terms(self, reader: SchemaReader) -> list[Term]:
        references = [keyword for keyword in REFERENCES if keyword in reader]
        terms = [Term(self._assertions.references.at(reader, keyword)) for keyword in references]
        if "allOf" in reader:
            terms += map(Term, reader.children("allOf"))
        if "not" in reader:
            terms.append(Term(reader.child("not"), is_negated=True))
        return terms

    def _choices(self, reader: SchemaReader) -> list[Choice]:
        choices: list[Choice] = []
        if "anyOf" in reader:
            places = map(self._assertions.references.referred, reader.children("anyOf"))
            choices.append(any_of(tuple(dict.fromkeys(places))))
        if "if" in reader and ("then" in reader or "else" in reader):
            choices.append(_if(reader))
        for keyword in DEPENDENCIES:
            if keyword in reader:
                choices += map(_depends, self._assertions.dependencies(reader, keyword))
        return choices

    def _facts(self, reader: SchemaReader) -> list[Fact]:
        makers = {self._makers[keyword]: None for keyword in reader if keyword in self._makers}
        return [fact for make in makers for fact in make(reader)]

    def _number_facts(self, reader: SchemaReader) -> list[Fact]:
        return [
            *self._assertions.lower_bounds(reader),
            *self._assertions.upper_bounds(reader),
            *self._step_facts(reader),
        ]

    def _step_facts(self, reader: SchemaReader) -> list[Fact]:
        return [MultipleOf(self._assertions.step(reader))] if "multipleOf" in reader else []

    def _string_facts(self, reader: SchemaReader) -> list[Fact]:
        facts: list[Fact] = []
        length = counts(reader, "minLength", "maxLength")
        if length is not None:
            facts.append(Length(*length))
        if "pattern" in reader:
            text = reader.text("pattern")
            facts.append(Matches(self._assertions.pattern(reader, "pattern", text)))
        format_ = self._assertions.format(reader) if "format" in reader else None
        if format_ is not None:
            facts.append(Matches(format_.pattern))
            if format_.max_length is not None:
                facts.append(Length(maximum=format_.max_length))
        return facts

    def _array_facts(self, reader: SchemaReader) -> list[Fact]:
        facts: list[Fact] = []
        num_items = counts(reader, "minItems", "maxItems")
        if num_items is not None:
            facts.append(NumItems(*num_items))
        items = self._assertions.items(reader)
        if items is not None:
            facts.append(items)
        if reader.flag("uniqueItems"):
            facts.append(Unique())
        if "contains" in reader:
            contains = self._assertions.contains(reader)
            if contains.minimum > 0 or contains.maximum is not None:
                facts.append(contains)
        return facts

    def _object_facts(self, reader: SchemaReader) -> list[Fact]:
        facts: list[Fact] = []
        num_properties = counts(reader, "minProperties", "maxProperties")
        if num_properties is not None:
            facts.append(NumProperties(*num_properties))
        properties = self._assertions.properties(reader)
        if properties is not None:
            facts.append(properties)
        if "required" in reader:
            facts.append(Required(reader.texts("required")))
        if "propertyNames" in reader:
            facts.append(
                Names(self._assertions.references.conjunction(reader.child("propertyNames")))
            )
        return facts


def _listed(reader: SchemaReader) -> tuple[Listed, ...]:
    return tuple(
        Listed(reader.place, keyword) for keyword in ("const", "enum") if keyword in reader
    )


def any_of(places: Sequence[Place]) -> Choice:
    return tuple(Alternative((Term(place),)) for place in places)


def _if(reader: SchemaReader) -> Choice:
    condition = Term(reader.child("if"))
    then = (Term(reader.child("then")),) if "then" in reader else ()
    otherwise = (Term(reader.child("else")),) if "else" in reader else ()
    return (Alternative((condition, *then)), Alternative((condition.opposite, *otherwise)))


def _depends(dependency: Dependency) -> Choice:
    """The key is not there, or it is and so is all else."""
    terms = () if dependency.place is None else (Term(dependency.place),)
    there = on_objects(Required((dependency.key, *dependency.required)), terms=terms)
    return (Alternative(facts=(absent(dependency.key),)), there)
