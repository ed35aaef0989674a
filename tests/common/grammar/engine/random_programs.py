"""Random programs of every rule that calls others, over few short texts that run together."""

from __future__ import annotations

from random import Random

from forge_common.grammar.program import (
    AnyRule,
    AnyValue,
    Array,
    Choice,
    Contains,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    OtherProperties,
    Pattern,
    Program,
    Property,
    Repeat,
    Sequence,
    Text,
    Whitespace,
)

KEYS = ("a", "ab", "é")
STRINGS = (
    JsonString(max_length=2),
    JsonString(min_length=1, patterns=(Pattern("^[ab]*$"),)),
    JsonString(patterns=(Pattern("^[ab]"), Pattern("b$", is_negated=True)), max_length=3),
    JsonString(excluded=KEYS, max_length=2),
)
NUMBERS = (
    Number(is_integer=True, minimum="0", maximum="12"),
    Number(is_integer=True, multiples_of=("3",), minimum="-7"),
    Number(minimum="0.5", exclusive_maximum="2", is_fractional=True),
)
SCALARS = (
    Literals((b"1", b"12", b'"a"', b"2")),
    JsonString(max_length=2, is_canonical=True),
    JsonString((Pattern("^[ab]{1,2}$"),), is_canonical=True),
    Number(is_integer=True, minimum="-2", maximum="12", is_canonical=True),
)
TEXTS = (b"a", b"ab", b"b", b"1", b"12", b'"a"', b'"', b",", b"[", b"]", b"[]", "é".encode(), b"")


class RandomPrograms:
    """Every rule calls those behind it; and those before it only where a byte was read first."""

    def __init__(self, seed: int) -> None:
        self._random = Random(seed)

    def program(self, num_rules: int = 7) -> Program:
        whitespace: Whitespace = self._random.choice(["compact", "compact", "free"])
        leaves = [self._leaf() for _ in range(3)]
        rules = [self._structure(index, num_rules + 3) for index in range(num_rules)]
        return Program(
            (*rules, *leaves, Literals((b"a", b"1")), STRINGS[-1], self._random.choice(SCALARS)),
            whitespace=whitespace,
        )

    def _leaf(self) -> AnyRule:
        shape = self._random.randrange(6)
        match shape:
            case 0 | 1:
                return Literals(tuple(self._random.sample(TEXTS, 3)))
            case 2:
                return Text(self._random.choice(["[ab]{1,3}", "a*(b|é)", "(ab|a)+1?"]))
            case 3:
                return self._random.choice(STRINGS)
            case 4:
                return self._random.choice(NUMBERS)
            case _:
                return AnyValue()

    def _structure(self, index: int, last: int) -> AnyRule:
        behind = [self._random.randint(index + 1, last) for _ in range(3)]
        anywhere = [self._random.randint(0, last) for _ in range(4)]
        shape = self._random.choice(["choice", "sequence", "repeat", "array", "object", "object"])
        made: AnyRule = getattr(self, "_" + shape)(behind, anywhere, last)
        return made

    def _choice(self, behind: list[int], anywhere: list[int], last: int) -> AnyRule:
        return Choice(tuple(behind))

    def _sequence(self, behind: list[int], anywhere: list[int], last: int) -> AnyRule:
        """The last rule reads something, and so whatever may come behind it."""
        recursive = (last, anywhere[0]) if self._random.random() < 0.3 else ()
        return Sequence((*behind[:2], *recursive))

    def _repeat(self, behind: list[int], anywhere: list[int], last: int) -> AnyRule:
        fewest = self._random.randrange(3)
        return Repeat(behind[0], fewest, self._random.choice([None, fewest, fewest + 2]))

    def _array(self, behind: list[int], anywhere: list[int], last: int) -> AnyRule:
        random = self._random
        if random.random() < 0.3:
            return Array(rest=Item(last + 2), is_unique=True, min_items=random.randrange(5))
        items = [Item(anywhere[0], behind[0]), Item(behind[1]), Item(matching=behind[2])]
        counted = Contains(random.randrange(3), random.choice([None, 2, 3]))
        return Array(
            prefix=tuple(random.sample(items, random.randrange(3))),
            rest=random.choice([None, *items]),
            min_items=random.randrange(3),
            max_items=random.choice([None, 2, 4]),
            contains=counted if random.random() < 0.6 else None,
        )

    def _object(self, behind: list[int], anywhere: list[int], last: int) -> AnyRule:
        random = self._random
        keys = random.sample(KEYS, random.randrange(4))
        others = (OtherProperties(last + 1, anywhere[3]),) if random.random() < 0.5 else ()
        return Object(
            tuple(
                Property(key, value, random.random() < 0.4)
                for key, value in zip(keys, anywhere, strict=False)
            ),
            others,
            min_properties=random.randrange(3),
            max_properties=random.choice([None, 2, 3]),
            is_ordered=random.random() < 0.5,
        )
