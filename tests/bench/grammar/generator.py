"""Random schemas, each made together with a value that fulfils it; equal seeds give equal cases.

They have the shapes that requests have, and only keywords that every engine of the table knows, so
that what differs is speed. Keys are as the schema has them, in its order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any, NamedTuple

from tests.bench.grammar.cases import Case, closed_object

MAX_DEPTH = 3
WORD_LIST = (
    "account address amount answer archive author batch branch budget build cache city client "
    "code color comment company country currency customer date day delay depth detail device "
    "email end event factor file folder format group height history host image index input item "
    "job key label language length level limit line link list location member message method "
    "mode model month name note number office option order output owner page parent part path "
    "payment person phone place plan point port price product profile project quantity query "
    "rate reason record region report request result role room route rule sample schedule score "
    "section server service session shape size source stage start state status step street "
    "subject table tag target task team text time title token topic total type unit update user "
    "value version view weight width window worker year zone"
)
WORDS = WORD_LIST.split()


class _Made(NamedTuple):
    schema: dict[str, Any]
    instance: Any


class _Pattern(NamedTuple):
    regex: str
    example: Callable[[Random], str]


PATTERNS = (
    _Pattern("^[a-z]+(-[a-z]+)*$", lambda random: "-".join(random.choices(WORDS, k=3))),
    _Pattern("^[A-Z]{3}-[0-9]{4,8}$", lambda random: f"ABC-{random.randrange(10**4, 10**8)}"),
    _Pattern("^#[0-9a-f]{6}$", lambda random: f"#{random.randrange(16**6):06x}"),
    _Pattern(
        "^[0-9]+\\.[0-9]+\\.[0-9]+$",
        lambda random: ".".join(str(random.randrange(30)) for _ in "abc"),
    ),
    _Pattern("^/([a-z_]+/)*[a-z_]*$", lambda random: "/" + "/".join(random.choices(WORDS, k=2))),
)
FORMATS: dict[str, Callable[[Random], str]] = {
    "uuid": lambda random: "-".join(f"{random.randrange(16**n):0{n}x}" for n in (8, 4, 4, 4, 12)),
    "date": lambda random: f"20{random.randrange(10, 40)}-{random.randrange(1, 13):02}-17",
    "date-time": lambda random: (
        f"2024-0{random.randrange(1, 10)}-21T1{random.randrange(10)}:30:05Z"
    ),
    "email": lambda random: f"{random.choice(WORDS)}.{random.choice(WORDS)}@example.com",
    "ipv4": lambda random: ".".join(str(random.randrange(256)) for _ in "abcd"),
}


def generated_cases(seed: int, num_cases: int) -> Iterator[Case]:
    for number in range(num_cases):
        made = CaseMaker(Random(f"{seed} {number}")).object(0)
        yield Case(f"generated {seed}-{number}", made.schema, made.instance)


class CaseMaker:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._leaves = (
            self._free_string, self._free_string, self._short_string, self._formatted,
            self._patterned, self._integer, self._bounded_integer, self._bounded_number,
            self._number, self._boolean, self._enumeration,
        )  # fmt: skip
        self._branches = (self.object, self._array, self._alternatives, self._map)

    def value(self, depth: int) -> _Made:
        if depth >= MAX_DEPTH or self._random.random() < 0.8:
            return self._random.choice(self._leaves)()
        return self._random.choice(self._branches)(depth + 1)

    def object(self, depth: int) -> _Made:
        names = self._random.sample(WORDS, self._random.randint(2, 6 if depth else 9))
        made = {name: self.value(depth) for name in names}
        required = [name for name in names if self._random.random() < 0.6]
        schema = closed_object({name: one.schema for name, one in made.items()}, required)
        present = {
            name: one.instance
            for name, one in made.items()
            if name in required or self._random.random() < 0.7
        }
        return _Made(schema, present)

    def _array(self, depth: int) -> _Made:
        made = self.value(depth)
        length = self._random.randint(1, 3)
        schema: dict[str, Any] = {"type": "array", "items": made.schema}
        if self._random.random() < 0.5:
            schema |= {"minItems": 1, "maxItems": length + self._random.randint(0, 9)}
        return _Made(schema, [made.instance] * length)

    def _map(self, depth: int) -> _Made:
        made = self.value(depth)
        keys = self._random.sample(WORDS, 2)
        schema = {"type": "object", "additionalProperties": made.schema}
        return _Made(schema, dict.fromkeys(keys, made.instance))

    def _alternatives(self, depth: int) -> _Made:
        """Objects that their first property tells apart."""
        kinds = self._random.sample(WORDS, self._random.randint(2, 4))
        made = [self.object(depth) for _ in kinds]
        schemas = [
            closed_object(
                {"@kind": {"const": kind}, **one.schema["properties"]},
                ["@kind", *one.schema["required"]],
            )
            for kind, one in zip(kinds, made, strict=True)
        ]
        chosen = self._random.randrange(len(kinds))
        instance = {"@kind": kinds[chosen], **made[chosen].instance}
        return _Made({"anyOf": schemas}, instance)

    def _free_string(self) -> _Made:
        return _Made({"type": "string"}, self._sentence())

    def _short_string(self) -> _Made:
        text = self._sentence()
        most = len(text) + self._random.randint(0, 60)
        return _Made({"type": "string", "minLength": 1, "maxLength": most}, text)

    def _formatted(self) -> _Made:
        name = self._random.choice(list(FORMATS))
        return _Made({"type": "string", "format": name}, FORMATS[name](self._random))

    def _patterned(self) -> _Made:
        pattern = self._random.choice(PATTERNS)
        return _Made({"type": "string", "pattern": pattern.regex}, pattern.example(self._random))

    def _integer(self) -> _Made:
        return _Made({"type": "integer"}, self._random.randint(-999, 99_999))

    def _bounded_integer(self) -> _Made:
        least = self._random.randint(-500, 500)
        most = least + self._random.randint(1, 10**6)
        schema = {"type": "integer", "minimum": least, "maximum": most}
        return _Made(schema, self._random.randint(least, most))

    def _bounded_number(self) -> _Made:
        most = self._random.randint(1, 1000)
        schema = {"type": "number", "minimum": 0, "maximum": most}
        return _Made(schema, self._random.randint(0, 4 * most - 1) / 4)

    def _number(self) -> _Made:
        return _Made({"type": "number"}, self._random.randint(-4000, 4000) / 8)

    def _boolean(self) -> _Made:
        return _Made({"type": "boolean"}, self._random.random() < 0.5)

    def _enumeration(self) -> _Made:
        words = self._random.sample(WORDS, self._random.randint(2, 12))
        return _Made({"enum": words}, self._random.choice(words))

    def _sentence(self) -> str:
        return " ".join(self._random.choices(WORDS, k=self._random.randint(1, 9)))
