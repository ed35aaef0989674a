"""What a program accepts, said again as plainly as possible: where a rule may end in a text.

No automata and no stacks; whitespace is "compact". For short texts only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from forge_common.grammar.program import (
    AnyRule,
    AnyValue,
    Array,
    Choice,
    JsonString,
    Literals,
    Number,
    Object,
    Program,
    Repeat,
    Sequence,
    Text,
)

NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
FAR_EXPONENT = re.compile("[eE][+-]?[0-9]{3}")
Ends = set[int]


class Reference:
    def __init__(self, program: Program, text: str) -> None:
        self._rules = program.rules
        self._text = text
        self._ends: dict[tuple[int, int], Ends] = {}
        self._is_changed = True

    def accepts(self, root: int) -> bool:
        """Rules may form circles: round after round, until nothing more is found."""
        while self._is_changed:
            self._is_changed = False
            for index, rule in enumerate(self._rules):
                for start in range(len(self._text) + 1):
                    self._add(index, start, self._match(rule, start))
        return len(self._text) in self._ends[root, 0]

    def _add(self, index: int, start: int, found: Ends) -> None:
        known = self._ends.setdefault((index, start), set())
        if not found <= known:
            known |= found
            self._is_changed = True

    def _of(self, index: int | None, start: int) -> Ends:
        return set() if index is None else self._ends.get((index, start), set())

    def _match(self, rule: AnyRule, start: int) -> Ends:
        match rule:
            case Literals(texts=texts):
                return {
                    start + len(text.decode())
                    for text in texts
                    if self._text.startswith(text.decode(), start)
                }
            case Choice(alternatives=alternatives):
                return set().union(*(self._of(one, start) for one in alternatives))
            case Sequence(parts=parts):
                ends = {start}
                for part in parts:
                    ends = {end for begin in ends for end in self._of(part, begin)}
                return ends
            case Repeat():
                return self._repeat(rule, start)
            case Array():
                return set(self._items(rule, start + 1)) if self._is_at("[", start) else set()
            case Object():
                return set(self._members(rule, start + 1)) if self._is_at("{", start) else set()
            case _:
                return self._leaf(leaf_test(rule), start)

    def _is_at(self, character: str, place: int) -> bool:
        return self._text.startswith(character, place)

    def _leaf(self, is_right: Callable[[str], bool], start: int) -> Ends:
        ends = range(start, len(self._text) + 1)
        return {end for end in ends if is_right(self._text[start:end])}

    def _repeat(self, rule: Repeat, start: int) -> Ends:
        """More times than there are characters change nothing but empty ones."""
        most = rule.min_count + len(self._text) + 1
        most = most if rule.max_count is None else min(most, rule.max_count)
        here, found = {start}, set()
        for count in range(most + 1):
            found |= here if count >= rule.min_count else set()
            here = {end for begin in here for end in self._of(rule.part, begin)}
        return found

    def _items(
        self, rule: Array, start: int, count: int = 0, counted: int = 0, seen: tuple[str, ...] = ()
    ) -> Iterator[int]:
        """Ends behind the bracket, from where an item may begin."""
        least, most = (
            (0, None)
            if rule.contains is None
            else (
                rule.contains.min_count,
                rule.contains.max_count,
            )
        )
        is_enough = count >= rule.min_items and counted >= least
        if (
            is_enough
            and (most is None or counted <= most)
            and self._is_at("]", start - bool(count))
        ):
            yield start - bool(count) + 1
        if rule.max_items is not None and count >= rule.max_items:
            return
        if count and not self._is_at(",", start - 1):
            return
        for end, is_matching in self._item(rule, start, count, seen):
            texts = (*seen, self._text[start:end]) if rule.is_unique else ()
            yield from self._items(rule, end + 1, count + 1, counted + is_matching, texts)

    def _item(
        self, rule: Array, start: int, count: int, seen: tuple[str, ...]
    ) -> Iterator[tuple[int, bool]]:
        item = rule.prefix[count] if count < len(rule.prefix) else rule.rest
        if item is not None:
            ends = (end for end in self._of(item.other, start) if self._text[start:end] not in seen)
            yield from ((end, False) for end in ends)
            yield from ((end, True) for end in self._of(item.matching, start))

    def _members(
        self, rule: Object, start: int, count: int = 0, named: tuple[int, ...] = (), others: int = 0
    ) -> Iterator[int]:
        has_all = all(
            index in named for index, one in enumerate(rule.properties) if one.is_required
        )
        is_few = rule.max_properties is None or count <= rule.max_properties
        close = start - bool(count)
        if has_all and is_few and count >= rule.min_properties and self._is_at("}", close):
            yield close + 1
        if not is_few or (count and not self._is_at(",", close)):
            return
        for index, one in enumerate(rule.properties):
            is_late = rule.is_ordered and (others or any(index < other for other in named))
            key = json.dumps(one.key, ensure_ascii=False)
            if index not in named and not is_late and self._text.startswith(f"{key}:", start):
                for end in self._of(one.value, start + len(key) + 1):
                    yield from self._members(rule, end + 1, count + 1, (*named, index), others)
        for other in rule.others:
            for colon in self._of(other.key, start):
                if self._is_at(":", colon):
                    for end in self._of(other.value, colon + 1):
                        yield from self._members(rule, end + 1, count + 1, named, others + 1)


def leaf_test(rule: AnyRule) -> Callable[[str], bool]:
    match rule:
        case Text(pattern=pattern):
            return lambda text: re.fullmatch(pattern, text) is not None
        case Number():
            return lambda text: is_number(rule, text)
        case JsonString():
            return lambda text: is_string(rule, text)
        case AnyValue():
            return is_compact_json
        case _:
            raise TypeError(f"{rule} is no leaf")


def is_number(rule: Number, text: str) -> bool:
    if not NUMBER.fullmatch(text) or not is_double(text):
        return False
    if rule.is_integer and not re.fullmatch("-?[0-9]+", text):
        return False
    if rule.is_canonical and not re.fullmatch(r"0|-?(0(?=\.)|[1-9][0-9]*)(\.[0-9]*[1-9])?", text):
        return False
    value = Fraction(text)
    return (rule.minimum is None or value >= Fraction(rule.minimum)) and (
        rule.maximum is None or value <= Fraction(rule.maximum)
    )


def is_double(text: str) -> bool:
    """Of exponents that are not short: whether they are scientific, and no infinity or zero."""
    if not FAR_EXPONENT.search(text):
        return True
    is_scientific = bool(re.match(r"-?[1-9](\.|[eE])", text))
    return is_scientific and abs(float(text)) not in (0.0, float("inf"))


def number_of(text: str) -> float:
    if not is_double(text):
        raise ValueError(text)
    return float(text)


def is_string(rule: JsonString, text: str) -> bool:
    value = parsed(text)
    if not isinstance(value, str) or not text.startswith('"') or not text.endswith('"'):
        return False
    if any(0xD800 <= ord(character) < 0xE000 for character in value):
        return False
    if rule.is_canonical and text != json.dumps(value, ensure_ascii=False):
        return False
    is_short = rule.max_length is None or len(value) <= rule.max_length
    has_patterns = all(re.search(pattern.text, value) for pattern in rule.patterns)
    is_long = len(value) >= rule.min_length
    return is_short and is_long and has_patterns and value not in rule.excluded


def is_compact_json(text: str) -> bool:
    without_strings = re.sub(r'"(\\.|[^"\\])*"', "", text)
    return parsed(text) is not NOTHING and not re.search(r"\s", without_strings)


NOTHING = object()


def parsed(text: str) -> object:
    try:
        return json.loads(text, parse_constant=lambda _: 1 / 0, parse_float=number_of)
    except (ValueError, ZeroDivisionError):
        return NOTHING
