"""Assertions: what the keywords of a schema hold, read into facts.

Knows nothing of whether a schema has to be fulfilled or must not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from forge_common.grammar.automata.formats import FORMATS, Format
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import Number
from forge_common.grammar.schema.documents import Document, Place
from forge_common.grammar.schema.evaluated import Evaluated, Evaluations
from forge_common.grammar.schema.facts import (
    AtLeast,
    AtMost,
    Bound,
    Conjunction,
    Contains,
    Items,
    NamedProperty,
    PatternProperty,
    Properties,
    Term,
    everything,
    nothing,
)
from forge_common.grammar.schema.json_values import Kind, number_text
from forge_common.grammar.schema.keywords import UNEVALUATED
from forge_common.grammar.schema.reader import MAX_COUNT, SchemaReader
from forge_common.grammar.schema.references import References
from forge_common.grammar.schema.regular import Regular

STANDARD_FORMATS = frozenset({"regex", "idn-email", "idn-hostname"})  # those not in FORMATS
MAX_PATTERN = 2**16  # what a Program holds
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


class _Additional(NamedTuple):
    value: Conjunction
    elsewhere: Evaluated = Evaluated()  # keys that it does not speak of


class Dependency(NamedTuple):
    """Of all else on a key being there."""

    keyword: str
    key: str
    required: tuple[str, ...] = ()
    place: Place | None = None


class Assertions:
    """Reads keywords; the same for what has to be fulfilled and what must not be."""

    def __init__(self, document: Document, references: References, regular: Regular) -> None:
        self._document = document
        self._regular = regular
        self._evaluations = Evaluations(document, references.at)
        self.references = references

    def reader(self, place: Place) -> SchemaReader:
        reader = SchemaReader(self._document, place)
        for keyword in UNEVALUATED:
            if keyword in reader and self._is_beyond_us(reader, keyword):
                reason = "not where it depends on the value what other schemas of it evaluate"
                raise reader.error(keyword, reason)
        return reader

    def _is_beyond_us(self, reader: SchemaReader, keyword: str) -> bool:
        if self.references.conjunction(reader.child(keyword)) == everything():
            return False
        always, ever = self._evaluations.always(reader), self._evaluations.ever(reader)
        is_of_items = keyword == "unevaluatedItems"
        return not (always.has_items_of(ever) if is_of_items else always.has_properties_of(ever))

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
            if len(text) > MAX_PATTERN:
                raise GrammarTooLarge(f"more than {MAX_PATTERN} characters")
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
        conjunctions = [self.references.conjunction(place) for place in prefix]
        rest = everything()
        if rest_keyword in reader:
            rest = self.references.conjunction(reader.child(rest_keyword))
        elif "unevaluatedItems" in reader:
            evaluated = self._evaluations.always(reader)
            conjunctions += [everything()] * (evaluated.num_items - len(prefix))
            if not evaluated.has_all_items:
                rest = self.references.conjunction(reader.child("unevaluatedItems"))
        if not prefix and not rest:
            return None
        return Items(tuple(conjunctions), rest)

    def contains(self, reader: SchemaReader) -> Contains:
        least = reader.count("minContains") if "minContains" in reader else 1
        most = reader.count("maxContains") if "maxContains" in reader else None
        return Contains(Term(reader.child("contains")), least, most)

    # objects

    def properties(self, reader: SchemaReader) -> Properties | None:
        named = reader.named_children("properties")
        patterns = reader.named_children("patternProperties")
        additional, elsewhere = self._additional(reader)
        if not named and not patterns and not additional:
            return None
        own = [NamedProperty(name, self.references.conjunction(place)) for name, place in named]
        own_patterns = [
            PatternProperty(
                self.pattern(reader, "patternProperties", text), self.references.conjunction(place)
            )
            for text, place in patterns
        ]
        return Properties(
            (*own, *(NamedProperty(key, everything()) for key in elsewhere.keys)),
            (*own_patterns, *(PatternProperty(text, everything()) for text in elsewhere.patterns)),
            additional,
        )

    def _additional(self, reader: SchemaReader) -> _Additional:
        if "additionalProperties" in reader:
            return _Additional(self.references.conjunction(reader.child("additionalProperties")))
        if "unevaluatedProperties" in reader:
            evaluated = self._evaluations.elsewhere(reader)
            value = self.references.conjunction(reader.child("unevaluatedProperties"))
            if value and not evaluated.has_all_properties:
                return _Additional(value, evaluated)
        return _Additional(everything())

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


def refuse_negation(reader: SchemaReader, keyword: str) -> GrammarError:
    return reader.error(keyword, "its opposite cannot be expressed exactly")
