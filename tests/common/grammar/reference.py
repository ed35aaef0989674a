"""A recogniser for Programs that is slow and obvious: what is right is easy to see here.

Every rule maps a position in the text to the set of positions where it may end. No states, no
masks, nothing kept but the answers. Recurses as deep as the text is nested; grammars that call
themselves without reading anything are not for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import (
    AnyValue,
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    ObjectStyle,
    OtherProperties,
    Program,
    Property,
    Repeat,
    RuleIndex,
    Sequence,
    Text,
)

SPACE = b" \t\n\r"
Ends = frozenset[int]


class Punctuation(NamedTuple):
    opening: bytes
    closing: bytes
    behind_key: bytes


BY_STYLE: dict[ObjectStyle, Punctuation] = {
    "json": Punctuation(b"{", b"}", b":"),
    "keywords": Punctuation(b"(", b")", b"="),
}


def accepts(program: Program, text: bytes, automata: AutomatonStore | None = None) -> bool:
    return len(text) in Recogniser(program, text, automata or AutomatonStore()).ends(
        program.root, 0
    )


class Recogniser:
    def __init__(self, program: Program, text: bytes, automata: AutomatonStore) -> None:
        self._program = program
        self._text = text
        self._automata = automata
        self._known: dict[tuple[RuleIndex, int], Ends] = {}

    def ends(self, index: RuleIndex, at: int) -> Ends:
        key = (index, at)
        if key not in self._known:
            self._known[key] = frozenset(self._ends_of(index, at))
        return self._known[key]

    def _ends_of(self, index: RuleIndex, at: int) -> Iterable[int]:
        rule = self._program.rules[index]
        match rule:
            case Choice():
                return (end for inner in rule.alternatives for end in self.ends(inner, at))
            case Sequence():
                return self._in_sequence(rule.parts, at)
            case Repeat():
                return self._repeat(rule, at)
            case Array():
                return self._array(rule, at)
            case Object():
                return self._object(rule, at)
            case AnyValue():
                return self._any_value(at)
            case _:
                return self._ends_of_regular(rule, at)

    def _ends_of_regular(
        self, rule: Literals | Text | Number | JsonString, at: int
    ) -> Iterator[int]:
        match rule:
            case Literals():
                return (at + len(text) for text in rule.texts if self._text.startswith(text, at))
            case Text():
                return self._walk(self._automata.text(rule), at)
            case Number():
                return self._walk(self._automata.number(rule), at)
            case JsonString():
                return self._string(rule, at)

    def _walk(self, automaton: ByteAutomaton, at: int) -> Iterator[int]:
        state: int | None = automaton.start
        while state is not None:
            if automaton.is_accepting(state):
                yield at
            state = automaton.row(state).get(self._text[at]) if at < len(self._text) else None
            at += 1

    def _string(self, rule: JsonString, at: int) -> Iterator[int]:
        automaton = self._automata.string(rule)
        state: int | None = automaton.start
        num_ends = 0
        while at < len(self._text):
            state = automaton.row(state).get(self._text[at])
            if state is None:
                return
            at += 1
            num_ends += automaton.ends_character(state)
            if automaton.is_accepting(state):
                length = num_ends - 1
                if rule.min_length <= length and (
                    rule.max_length is None or length <= rule.max_length
                ):
                    yield at

    def _in_sequence(self, parts: tuple[RuleIndex, ...], at: int) -> set[int]:
        here = {at}
        for part in parts:
            here = {end for start in here for end in self.ends(part, start)}
        return here

    def _repeat(self, rule: Repeat, at: int) -> set[int]:
        found: set[int] = {at} if rule.min_count == 0 else set()
        here, num_done = {at}, 0
        while here and (rule.max_count is None or num_done < rule.max_count):
            here = {end for start in here for end in self.ends(rule.part, start)}
            num_done += 1
            if num_done >= rule.min_count:
                if here <= found:
                    break
                found |= here
        return found

    # JSON

    def _space(self, starts: set[int]) -> set[int]:
        """Where free white space may end; its bound is left to the engine."""
        if self._program.whitespace == "compact":
            return starts
        found = set(starts)
        for at in starts:
            while at < len(self._text) and self._text[at] in SPACE:
                at += 1
                found.add(at)
        return found

    def _token(self, byte: bytes, starts: set[int]) -> set[int]:
        return {at + 1 for at in self._space(starts) if self._text.startswith(byte, at)}

    def _opening(self, byte: bytes, at: int) -> set[int]:
        """What stands before a value belongs to whatever it stands in."""
        return {at + 1} if self._text.startswith(byte, at) else set()

    def _value(self, index: RuleIndex, starts: set[int]) -> set[int]:
        return {end for at in self._space(starts) for end in self.ends(index, at)}

    def _array(self, rule: Array, at: int) -> set[int]:
        found: set[int] = set()
        waiting = [(inner, 0, 0, frozenset[bytes]()) for inner in self._opening(b"[", at)]
        seen = set(waiting)
        while waiting:
            here, num_items, num_counted, used = waiting.pop()
            if _can_close_array(rule, num_items, num_counted):
                found |= self._token(b"]", {here})
            item = rule.prefix[num_items] if num_items < len(rule.prefix) else rule.rest
            if item is None or num_items == rule.max_items:
                continue
            starts = self._token(b",", {here}) if num_items else {here}
            for end, counts, text in self._item(rule, item, starts):
                if text is not None and text in used:
                    continue
                following = (
                    end,
                    num_items + 1,
                    num_counted + counts,
                    used | {text} if text is not None else used,
                )
                if following not in seen:
                    seen.add(following)
                    waiting.append(following)
        return found

    def _item(
        self, rule: Array, item: Item, starts: set[int]
    ) -> Iterator[tuple[int, int, bytes | None]]:
        """Ends, each with what it counts for and, where items are unique, the item's text."""
        if rule.is_unique and item.other is not None:
            for at in self._space(starts):
                for end in self.ends(item.other, at):
                    yield end, 0, self._text[at:end]
            return
        for index, counts in ((item.other, 0), (item.matching, 1)):
            if index is not None:
                for end in self._value(index, starts):
                    yield end, counts, None

    def _object(self, rule: Object, at: int) -> set[int]:
        found: set[int] = set()
        opening, closing, _ = BY_STYLE[rule.style]
        waiting = [
            (inner, frozenset[int](), 0, frozenset[bytes]()) for inner in self._opening(opening, at)
        ]
        seen = set(waiting)
        while waiting:
            here, used, num_others, keys = waiting.pop()
            num_properties = len(used) + num_others
            if _can_close_object(rule, used, num_properties):
                found |= self._token(closing, {here})
            if num_properties == rule.max_properties:
                continue
            starts = self._token(b",", {here}) if num_properties else {here}
            for end, named in self._member(rule, used, num_others, starts):
                following = (
                    (end, used, num_others + 1, keys | {named})
                    if isinstance(named, bytes)
                    else (end, used | {named}, num_others, keys)
                )
                is_over = isinstance(named, bytes) and (
                    num_others == rule.max_others or (rule.is_distinct and named in keys)
                )
                if following not in seen and not is_over:
                    seen.add(following)
                    waiting.append(following)
        return found

    def _member(
        self, rule: Object, used: frozenset[int], num_others: int, starts: set[int]
    ) -> Iterator[tuple[int, int | bytes]]:
        """Ends, each with the property whose value it is; for others their key, if it matters."""
        first = max(used, default=-1) + 1 if rule.is_ordered else 0
        behind_key = BY_STYLE[rule.style].behind_key
        for index in range(first, len(rule.properties)):
            named = rule.properties[index]
            if index not in used and not (rule.is_ordered and num_others):
                keys = self._key(named, rule.style, starts)
                for end in self._value(named.value, self._token(behind_key, keys)):
                    yield end, index
        for other in rule.others:
            for begin in self._space(starts):
                for key_end in self.ends(other.key, begin):
                    key = self._text[begin:key_end] if rule.is_distinct else b""
                    for end in self._value(other.value, self._token(behind_key, {key_end})):
                        yield end, key

    def _key(self, named: Property, style: ObjectStyle, starts: set[int]) -> set[int]:
        is_bare = style == "keywords"
        text = (named.key if is_bare else json.dumps(named.key, ensure_ascii=False)).encode()
        return {at + len(text) for at in self._space(starts) if self._text.startswith(text, at)}

    def _any_value(self, at: int) -> Ends:
        anything = Program(
            (
                Choice((1, 2, 3, 4, 5)),
                Literals((b"null", b"true", b"false")),
                Number(),
                JsonString(),
                Array(rest=Item(other=0)),
                Object(others=(OtherProperties(3, 0),)),
            ),
            0,
            self._program.whitespace,
        )
        return Recogniser(anything, self._text, self._automata).ends(0, at)


def _can_close_array(rule: Array, num_items: int, num_counted: int) -> bool:
    contains = rule.contains
    return num_items >= rule.min_items and (
        contains is None
        or (
            num_counted >= contains.min_count
            and (contains.max_count is None or num_counted <= contains.max_count)
        )
    )


def _can_close_object(rule: Object, used: frozenset[int], num_properties: int) -> bool:
    return num_properties >= rule.min_properties and all(
        index in used for index, named in enumerate(rule.properties) if named.is_required
    )
