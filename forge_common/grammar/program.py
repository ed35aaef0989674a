"""Program: a grammar as data, one rule a machine, rules naming each other by their index.

    Literals · Text · FreeText · JsonString · Number  regular: decided byte by byte
    Choice · Sequence · Repeat · Array · Object      structure: they call other rules

Recursion is a cycle of indices. Nothing is multiplied out: counts stay numbers, alternatives stay
lists, patterns stay as they were written. Bounded, since a Program crosses processes. Knows no
schema, no vocabulary and no state.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

MAX_RULES = 2**17
SPECIAL = b"\xff"  # on both sides of a special token's text; no UTF-8 holds this byte
RuleIndex = Annotated[int, Meta(ge=0, lt=MAX_RULES)]
NumItems = Annotated[int, Meta(ge=0, lt=2**53)]
PatternText = Annotated[str, Meta(max_length=2**16)]
Decimal = Annotated[str, Meta(max_length=4096)]  # as Python's Fraction reads it
Whitespace = Literal["compact", "free"]


class Rule(Struct, frozen=True, tag=True, array_like=True, forbid_unknown_fields=True):
    """One of the classes below."""


class RegularRule(Rule, frozen=True):
    """One that is decided byte by byte: it calls no others."""


class Literals(RegularRule, frozen=True):
    """One of these texts, whole."""

    texts: Annotated[tuple[bytes, ...], Meta(min_length=1)]


class Text(RegularRule, frozen=True):
    """Plain text that matches a regular expression as a whole: no JSON, nothing is escaped."""

    pattern: PatternText


class Tags(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Around what a model thinks."""

    opening: bytes
    closing: bytes


class Marks(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """With what calls begin where a model writes freely, and what else tells where they do."""

    texts: tuple[bytes, ...] = ()
    line_texts: tuple[bytes, ...] = ()  # only at the start of a line
    # {"name": "one of these", "parameters": {  at the start of a line, but for its first brace
    names: tuple[bytes, ...] = ()
    fences: tuple[bytes, ...] = ()  # at the start of a line, and a line starts behind them
    thoughts: Tags | None = None  # in which nothing is a call
    # [one_of_these(  at the start of a line, but for its bracket
    listed_names: tuple[bytes, ...] = ()


FreeStart = Literal["reply", "thoughts", "content", "sequence"]
FreeEnd = Literal["anywhere", "behind mark", "before object", "before list"]


class FreeText(RegularRule, frozen=True):
    """What a model writes as it likes, special tokens too, as long as no call begins in it.

    It starts where a reply does, within its thoughts, behind them, or behind calls that another
    object would belong to. One that ends "anywhere" ends the whole text.
    """

    marks: Marks
    start: FreeStart = "content"
    end: FreeEnd = "anywhere"
    mark: bytes = b""  # which one of `marks` it ends behind


class Pattern(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A search, as JSON Schema means it (ECMA-262): found anywhere unless it is anchored."""

    text: PatternText
    is_negated: bool = False


class JsonString(RegularRule, frozen=True):
    """A JSON string whose value has so many code points, matches every pattern, and is none of
    `excluded`. Patterned strings are written with the shortest escapes, free ones with any;
    canonical ones in one way only, so that equal strings are equal texts."""

    patterns: tuple[Pattern, ...] = ()
    min_length: NumItems = 0
    max_length: NumItems | None = None
    excluded: tuple[str, ...] = ()
    is_canonical: bool = False


class Number(RegularRule, frozen=True):
    """A JSON number within exact bounds, a multiple of every one of `multiples_of` and of none
    of `no_multiples_of`.

    An exponent makes of it no infinity and no zero of a double. A canonical one is written plainly:
    no exponent, no zero that could be left out, no `-0`.
    """

    is_integer: bool = False
    is_fractional: bool = False  # no integer at all: what `not: {type: integer}` leaves
    minimum: Decimal | None = None
    exclusive_minimum: Decimal | None = None
    maximum: Decimal | None = None
    exclusive_maximum: Decimal | None = None
    multiples_of: tuple[Decimal, ...] = ()
    excluded: tuple[Decimal, ...] = ()
    is_canonical: bool = False
    no_multiples_of: tuple[Decimal, ...] = ()


class Choice(Rule, frozen=True):
    """Any of these; none at all where there are no alternatives."""

    alternatives: tuple[RuleIndex, ...]


class Sequence(Rule, frozen=True):
    """One behind the other; the empty text where there are no parts."""

    parts: tuple[RuleIndex, ...]


class Repeat(Rule, frozen=True):
    part: RuleIndex
    min_count: NumItems = 0
    max_count: NumItems | None = None


class Item(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What may stand at a place of an array.

    Where `contains` counts, `matching` are the values it counts and `other` those it does not.
    Where nothing is counted `other` holds all of them.
    """

    other: RuleIndex | None = None
    matching: RuleIndex | None = None


class Contains(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    min_count: NumItems = 1
    max_count: NumItems | None = None


class Array(Rule, frozen=True):
    """A JSON array: `prefix` item by item, then any number of `rest`.

    Where it `is_unique` no two items are the same text, but for white space between the parts of
    an item: so all that they hold has to be written in one way only. No `contains`.
    """

    prefix: tuple[Item, ...] = ()
    rest: Item | None = None  # nothing may follow the prefix
    min_items: NumItems = 0
    max_items: NumItems | None = None
    contains: Contains | None = None
    is_unique: bool = False


class Property(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    key: str
    value: RuleIndex
    is_required: bool = False


class OtherProperties(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Keys that no Property names, and what stands behind them."""

    key: RuleIndex  # a JsonString or Literals that excludes the named keys
    value: RuleIndex


ObjectStyle = Literal["json", "keywords"]


class Object(Rule, frozen=True):
    """A JSON object. `is_ordered`: named properties in their order, all others behind them.

    Where it `is_distinct` none of the other keys comes twice. They are then written in one way
    only, so that equal keys are equal texts. One whose style is "keywords" is written as a call in
    Python has its arguments: `(a=1, b=2)`.
    """

    properties: tuple[Property, ...] = ()
    others: tuple[OtherProperties, ...] = ()
    min_properties: NumItems = 0
    max_properties: NumItems | None = None
    is_ordered: bool = True
    is_distinct: bool = False
    max_others: NumItems | None = None  # keys that no Property names
    style: ObjectStyle = "json"


class AnyValue(Rule, frozen=True):
    """Any JSON value at all."""


AnyRule = (
    Literals
    | Text
    | FreeText
    | JsonString
    | Number
    | Choice
    | Sequence
    | Repeat
    | Array
    | Object
    | AnyValue
)


# What AnyValue stands for; the first of them is it.
ANY_VALUE: tuple[AnyRule, ...] = (
    Choice((1, 2, 3, 4, 5)),
    Array(rest=Item(other=0)),
    Object(others=(OtherProperties(key=3, value=0),)),
    JsonString(),
    Number(),
    Literals((b"true", b"false", b"null")),
)


def special_token(text: bytes) -> bytes:
    """How Literals name a special token."""
    return SPECIAL + text + SPECIAL


class Program(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`whitespace` "compact" allows none between the tokens of JSON, "free" a bounded run of it."""

    rules: Annotated[tuple[AnyRule, ...], Meta(min_length=1, max_length=MAX_RULES)]
    root: RuleIndex = 0
    whitespace: Whitespace = "compact"
