"""What a schema says where it has to be fulfilled: keyword by keyword, to facts, terms and choices.

Knows nothing of schemas that must not be fulfilled, nor of how choices are worked out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from forge_common.grammar.automata.formats import FORMATS, Format
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import Number
from forge_common.grammar.schema.documents import Document, Place
from forge_common.grammar.schema.facts import (
    EVERY_KIND,
    Alternative,
    AtLeast,
    AtMost,
    Bound,
    Choice,
    Conjunction,
    Contains,
    Fact,
    Items,
    Length,
    Listed,
    Matches,
    Meaning,
    MultipleOf,
    NamedProperty,
    Names,
    NumItems,
    NumProperties,
    PatternProperty,
    Properties,
    Required,
    Term,
    Unique,
    everything,
    nothing,
    on_objects,
)
from forge_common.grammar.schema.json_values import Kind, number_text
from forge_common.grammar.schema.keywords import REFUSED
from forge_common.grammar.schema.reader import MAX_COUNT, SchemaReader
from forge_common.grammar.schema.regular import Regular

STANDARD_FORMATS = frozenset({"regex", "idn-email", "idn-hostname"})  # those not in FORMATS
DEPENDENCIES = ("dependencies", "dependentRequired", "dependentSchemas")
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
NUMBER_KEYWORDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
STRING_KEYWORDS = ("minLength", "maxLength", "pattern", "format")
ARRAY_KEYWORDS = ("prefixItems", "items", "minItems", "maxItems", "uniqueItems", "contains")
OBJECT_KEYWORDS = (
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "propertyNames",
)
KINDS_OF_TYPE: Mapping[str, frozenset[Kind]] = {
    "null": frozenset({Kind.NULL}),
    "boolean": frozenset({Kind.BOOLEAN}),
    "integer": frozenset({Kind.INTEGER}),
    "number": frozenset({Kind.INTEGER, Kind.FRACTIONAL}),
    "string": frozenset({Kind.STRING}),
    "array": frozenset({Kind.ARRAY}),
    "object": frozenset({Kind.OBJECT}),
}


class Range(NamedTuple):
    minimum: int
    maximum: int | None


class Dependency(NamedTuple):
    """Of all else on a key being there."""

    keyword: str
    key: str
    required: tuple[str, ...] = ()
    place: Place | None = None


class Assertions:
    """Reads keywords; the same for what has to be fulfilled and what must not be."""

    def __init__(self, document: Document, regular: Regular) -> None:
        self._document = document
        self._regular = regular

    def reader(self, place: Place) -> SchemaReader:
        reader = SchemaReader(self._document, place)
        for keyword in reader:
            if keyword in REFUSED:
                raise reader.error(keyword, "not supported")
        return reader

    def conjunction(self, place: Place) -> Conjunction:
        """What a value has to fulfil for this schema alone."""
        place = self._referred(place)
        schema = self._document.schema(place)
        if isinstance(schema, bool):
            return everything() if schema else nothing()
        return frozenset({Term(place)}) if schema else everything()

    def reference(self, reader: SchemaReader, keyword: str) -> Place:
        resolve = {
            "$ref": self._document.resolve,
            "$dynamicRef": self._document.resolve_dynamic,
            "$recursiveRef": self._document.resolve_recursive,
        }[keyword]
        with reader.at(keyword):
            return resolve(reader.place, reader.text(keyword))

    def _referred(self, place: Place) -> Place:
        """Where a schema leads that is a reference and nothing else."""
        seen: set[Place] = set()
        while place not in seen:
            seen.add(place)
            schema = self._document.schema(place)
            if isinstance(schema, bool) or schema.keys() != {"$ref"}:
                break
            place = self.reference(SchemaReader(self._document, place), "$ref")
        return place

    def kinds(self, reader: SchemaReader) -> frozenset[Kind]:
        value = reader.raw("type")
        names = (value,) if isinstance(value, str) else reader.texts("type")
        unknown = [name for name in names if name not in KINDS_OF_TYPE]
        if unknown:
            raise reader.error("type", f"{unknown[0]!r} is no type")
        return frozenset[Kind]().union(*(KINDS_OF_TYPE[name] for name in names))

    # numbers

    def lower_bounds(self, reader: SchemaReader) -> list[AtLeast]:
        return [AtLeast(bound) for bound in _bounds(reader, "minimum", "exclusiveMinimum")]

    def upper_bounds(self, reader: SchemaReader) -> list[AtMost]:
        return [AtMost(bound) for bound in _bounds(reader, "maximum", "exclusiveMaximum")]

    def step(self, reader: SchemaReader) -> Fraction:
        step = reader.number("multipleOf")
        if step <= 0:
            raise reader.error("multipleOf", "not above 0")
        with reader.at("multipleOf"):
            self._regular.is_number_empty(Number(multiples_of=(number_text(step),)))
        return step

    # strings

    def pattern(self, reader: SchemaReader, keyword: str, text: str) -> str:
        """The pattern, once it has been understood."""
        with reader.at(keyword):
            self._regular.matches(text, "")
        return text

    def format(self, reader: SchemaReader) -> Format | None:
        """None for a name that no standard of JSON Schema has: then it is an annotation."""
        name = reader.text("format")
        if name in STANDARD_FORMATS:
            raise reader.error("format", f"{name!r} is not supported")
        return FORMATS.get(name)

    # arrays

    def items(self, reader: SchemaReader) -> Items | None:
        """The old form, a list under `items`, is the new one's `prefixItems`."""
        value = reader.raw("items")
        prefix_keyword, rest_keyword = "prefixItems", "items"
        if isinstance(value, list):
            prefix_keyword, rest_keyword = "items", "additionalItems"
        prefix = reader.children(prefix_keyword) if prefix_keyword in reader else []
        rest = everything()
        if rest_keyword in reader:
            rest = self.conjunction(reader.child(rest_keyword))
        if not prefix and not rest:
            return None
        return Items(tuple(map(self.conjunction, prefix)), rest)

    def contains(self, reader: SchemaReader) -> Contains:
        least = reader.count("minContains") if "minContains" in reader else 1
        most = reader.count("maxContains") if "maxContains" in reader else None
        return Contains(Term(reader.child("contains")), least, most)

    # objects

    def properties(self, reader: SchemaReader) -> Properties | None:
        named = reader.named_children("properties")
        patterns = reader.named_children("patternProperties")
        additional = everything()
        if "additionalProperties" in reader:
            additional = self.conjunction(reader.child("additionalProperties"))
        if not named and not patterns and not additional:
            return None
        return Properties(
            tuple(NamedProperty(name, self.conjunction(place)) for name, place in named),
            tuple(
                PatternProperty(
                    self.pattern(reader, "patternProperties", text), self.conjunction(place)
                )
                for text, place in patterns
            ),
            additional,
        )

    def dependencies(self, reader: SchemaReader, keyword: str) -> list[Dependency]:
        return [
            _dependency(reader, keyword, key, value)
            for key, value in reader.mapping(keyword).items()
        ]


def _dependency(reader: SchemaReader, keyword: str, key: str, value: object) -> Dependency:
    if keyword == "dependencies" and isinstance(value, str):
        return Dependency(keyword, key, required=(value,))
    if keyword == "dependentRequired" or isinstance(value, list):
        return Dependency(keyword, key, required=reader.texts_of(keyword, value))
    return Dependency(keyword, key, place=reader.child(keyword, key))


def _bounds(reader: SchemaReader, keyword: str, exclusive: str) -> list[Bound]:
    is_exclusive = isinstance(reader.raw(exclusive), bool) and reader.flag(exclusive)  # draft 4
    bounds = []
    if keyword in reader:
        bounds.append(Bound(reader.number(keyword), is_exclusive))
    if exclusive in reader and not isinstance(reader.raw(exclusive), bool):
        bounds.append(Bound(reader.number(exclusive), is_exclusive=True))
    return bounds


def counts(reader: SchemaReader, least: str, most: str) -> Range | None:
    if least not in reader and most not in reader:
        return None
    minimum = reader.count(least) if least in reader else 0
    maximum = reader.count(most) if most in reader else None
    if minimum > MAX_COUNT:
        with reader.at(least):
            raise GrammarTooLarge(f"more than {MAX_COUNT}")
    return Range(minimum, None if maximum is None or maximum > MAX_COUNT else maximum)


def absent(key: str) -> Properties:
    return Properties(named=(NamedProperty(key, nothing()),))


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
            tuple(self._terms(reader)),
            tuple(self._facts(reader)),
            self._assertions.kinds(reader) if "type" in reader else EVERY_KIND,
        )
        one_of = tuple(reader.children("oneOf")) if "oneOf" in reader else None
        return Meaning(always, tuple(self._choices(reader)), one_of, _listed(reader))

    def _terms(self, reader: SchemaReader) -> list[Term]:
        references = [keyword for keyword in REFERENCES if keyword in reader]
        terms = [Term(self._assertions.reference(reader, keyword)) for keyword in references]
        if "allOf" in reader:
            terms += map(Term, reader.children("allOf"))
        if "not" in reader:
            terms.append(Term(reader.child("not"), is_negated=True))
        return terms

    def _choices(self, reader: SchemaReader) -> list[Choice]:
        choices: list[Choice] = []
        if "anyOf" in reader:
            choices.append(any_of(reader.children("anyOf")))
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
            facts.append(Names(self._assertions.conjunction(reader.child("propertyNames"))))
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


def refuse_negation(reader: SchemaReader, keyword: str) -> GrammarError:
    return reader.error(keyword, "its opposite cannot be expressed exactly")
