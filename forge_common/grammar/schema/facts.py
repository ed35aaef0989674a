"""Facts: what a schema demands of a value, one thing at a time. All are positive.

Each speaks of values of one kind and lets all others pass, but for kinds and values themselves.
Where a fact speaks of the values inside, it names a conjunction of terms: schemas that these have
to fulfil, or must not. Facts are Structs, not tuples: equal ones are of one class. Knows no
keywords.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from msgspec import Struct

from forge_common.grammar.schema.documents import FALSE_PLACE, Place
from forge_common.grammar.schema.json_values import Kind


class Term(NamedTuple):
    """A schema that is fulfilled, or is not."""

    place: Place
    is_negated: bool = False

    @property
    def opposite(self) -> Term:
        return Term(self.place, not self.is_negated)


IMPOSSIBLE = Term(FALSE_PLACE)
Conjunction = frozenset[Term]

EVERY_KIND = frozenset(Kind)
NUMBERS = frozenset({Kind.INTEGER, Kind.FRACTIONAL})


def everything() -> Conjunction:
    return frozenset()


def nothing() -> Conjunction:
    return frozenset({IMPOSSIBLE})


def is_nothing(conjunction: Conjunction) -> bool:
    """Whether that can be seen at once; it may be impossible to fulfil all the same."""
    return IMPOSSIBLE in conjunction or any(
        term.opposite in conjunction for term in conjunction if term.is_negated
    )


class Listed(NamedTuple):
    """The values of an `enum` or a `const`."""

    place: Place
    keyword: str


class Excluded(Struct, frozen=True):
    """The value is none of these."""

    values: Listed


class Bound(NamedTuple):
    value: Fraction
    is_exclusive: bool


class AtLeast(Struct, frozen=True):
    bound: Bound


class AtMost(Struct, frozen=True):
    bound: Bound


class MultipleOf(Struct, frozen=True):
    step: Fraction
    is_negated: bool = False


class Length(Struct, frozen=True):
    minimum: int = 0
    maximum: int | None = None


class Matches(Struct, frozen=True):
    pattern: str
    is_negated: bool = False


class NumItems(Struct, frozen=True):
    minimum: int = 0
    maximum: int | None = None


class Items(Struct, frozen=True):
    prefix: tuple[Conjunction, ...]
    rest: Conjunction

    def at(self, index: int) -> Conjunction:
        return self.prefix[index] if index < len(self.prefix) else self.rest


class Contains(Struct, frozen=True):
    term: Term
    minimum: int
    maximum: int | None = None


class Unique(Struct, frozen=True):
    """No two items are equal."""


class NumProperties(Struct, frozen=True):
    minimum: int = 0
    maximum: int | None = None


class NamedProperty(NamedTuple):
    key: str
    value: Conjunction


class PatternProperty(NamedTuple):
    pattern: str
    value: Conjunction


class Properties(Struct, frozen=True):
    """Conditions on the values of an object, by their keys. None has to be there."""

    named: tuple[NamedProperty, ...] = ()
    patterns: tuple[PatternProperty, ...] = ()
    additional: Conjunction = frozenset()


class Required(Struct, frozen=True):
    keys: tuple[str, ...]


class Names(Struct, frozen=True):
    """What the keys themselves have to fulfil, as strings."""

    conjunction: Conjunction


class KeyCondition(NamedTuple):
    """Of a key: that it is none of some, that no or some pattern is found in it, what it is."""

    other_than: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    matching: str | None = None
    name: Conjunction = frozenset()


class SomeProperty(Struct, frozen=True):
    """There is a key like that whose value is like this."""

    keys: KeyCondition
    value: Conjunction
    keyword: str  # whose violation it is


StringFact = Length | Matches
NumberFact = AtLeast | AtMost | MultipleOf
ArrayFact = NumItems | Items | Contains | Unique
ObjectFact = NumProperties | Properties | Required | Names | SomeProperty
Fact = Excluded | StringFact | NumberFact | ArrayFact | ObjectFact


def kinds_of(fact: Fact) -> frozenset[Kind]:
    """Of which kinds of values the fact says anything."""
    if isinstance(fact, StringFact):
        return frozenset({Kind.STRING})
    if isinstance(fact, NumberFact):
        return NUMBERS
    if isinstance(fact, ArrayFact):
        return frozenset({Kind.ARRAY})
    if isinstance(fact, ObjectFact):
        return frozenset({Kind.OBJECT})
    return EVERY_KIND


class Alternative(NamedTuple):
    """All of this at once."""

    terms: tuple[Term, ...] = ()
    facts: tuple[Fact, ...] = ()
    kinds: frozenset[Kind] = EVERY_KIND


Choice = tuple[Alternative, ...]  # at least one of them


class Meaning(NamedTuple):
    """What a term says: all of `always`, and one alternative of every choice."""

    always: Alternative = Alternative()
    choices: tuple[Choice, ...] = ()
    one_of: tuple[Place, ...] | None = None  # exactly one of these
    listed: tuple[Listed, ...] = ()  # in each of these the value is found


def on_objects(*facts: Fact, terms: Iterable[Term] = ()) -> Alternative:
    return Alternative(tuple(terms), facts, frozenset({Kind.OBJECT}))


def on_arrays(*facts: Fact) -> Alternative:
    return Alternative((), facts, frozenset({Kind.ARRAY}))


def on_strings(*facts: Fact) -> Alternative:
    return Alternative((), facts, frozenset({Kind.STRING}))


def on_numbers(*facts: Fact) -> Alternative:
    return Alternative((), facts, NUMBERS)
