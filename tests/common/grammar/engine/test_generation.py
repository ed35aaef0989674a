"""Random tokens under masks always come to an end, and what they spell is what the rules say."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from forge_common.grammar.engine import Engine
from tests.common.grammar.engine.programs import PROGRAMS, optional_keys
from tests.common.grammar.engine.vocabularies import demo_vocabulary, odd_vocabulary
from tests.common.grammar.engine.writing import generate


def pairs_of(text: bytes) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = json.loads(text, object_pairs_hook=list)
    return found


def is_person(text: bytes, is_ordered: bool) -> bool:
    pairs = pairs_of(text)
    keys = [key for key, _ in pairs]
    named = [key for key in keys if key in ("name", "näme", "tags")]
    right_order = [key for key in ("name", "näme", "tags") if key in named]
    is_in_order = keys[: len(named)] == right_order if is_ordered else True
    return (
        is_in_order
        and len(named) == len(set(named))
        and "name" in named
        and all(is_value_of_person(key, value) for key, value in pairs)
    )


def is_value_of_person(key: str, value: Any) -> bool:
    is_name = isinstance(value, str) and 1 <= len(value) <= 6
    is_number = type(value) is int and -3 <= value <= 120
    if key == "tags":
        return isinstance(value, list) and len(value) <= 3 and all(map(is_short_text, value))
    return {"name": is_name, "näme": is_number}.get(key, is_name or is_number)


def is_short_text(value: Any) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= 6


def is_tree(value: Any) -> bool:
    waiting = [value]
    while waiting:
        node = waiting.pop()
        if list(node) != ["value", "children"] or not isinstance(node["value"], str):
            return False
        waiting += node["children"]
    return True


def is_array_of(text: bytes, fewest: int, most: int) -> bool:
    value = json.loads(text)
    return isinstance(value, list) and fewest <= len(value) <= most


def is_unique_array_of(text: bytes, fewest: int, most: int) -> bool:
    return is_array_of(text, fewest, most) and len(set(json.loads(text))) == len(json.loads(text))


CHECKS: dict[str, Callable[[bytes], object]] = {
    "literals": lambda text: text in (b'"abc"', b'"abd"', b"12", "é€😀".encode()),
    "text": lambda text: re.fullmatch("[a-zé]{1,3}(-[0-9😀]+)*", text.decode()),
    "integer": lambda text: re.fullmatch(b"[0-9]+", text) and 17 <= int(text) <= 2042,
    "number": lambda text: -0.5 <= json.loads(text) < 1000,
    "free string": lambda text: isinstance(json.loads(text), str),
    "counted string": lambda text: 2 <= len(json.loads(text)) <= 5,
    "pattern": lambda text: re.fullmatch("[a-zé]+(-[a-z]+)*", json.loads(text)),
    "counted pattern": lambda text: (
        re.fullmatch("(aa|b-?)+", json.loads(text)) and 3 <= len(json.loads(text)) <= 4
    ),
    "excluded": lambda text: (
        json.loads(text) not in ("a", "ab", "é", 'q"') and len(json.loads(text)) <= 3
    ),
    "any value": lambda text: [json.loads(text)],
    "any value, spaced": lambda text: [json.loads(text)],
    "array": lambda text: is_array_of(text, 1, 3),
    "tuple": lambda text: is_array_of(text, 1, 10**6),
    "contains": lambda text: (
        is_array_of(text, 2, 4) and 2 <= len([1 for item in json.loads(text) if item]) <= 3
    ),
    "unique": lambda text: is_unique_array_of(text, 2, 3),
    "unique strings": lambda text: is_unique_array_of(text, 0, 4),
    "few unique strings": lambda text: is_unique_array_of(text, 4, 7),
    "unique scalars, spaced": lambda text: is_unique_array_of(text, 1, 6),
    "ordered object": lambda text: is_person(text, is_ordered=True),
    "unordered object": lambda text: is_person(text, is_ordered=False),
    "counted object": lambda text: (
        2 <= len(pairs_of(text)) <= 3 and "b" in [key for key, _ in pairs_of(text)]
    ),
    "tree": lambda text: is_tree(json.loads(text)),
    "tree, spaced": lambda text: is_tree(json.loads(text)),
    "sequence": lambda text: re.fullmatch(b"((a|ab)?(a|ab)(a|ab)?b?)", text),
    "repeat": lambda text: re.fullmatch("(a|aab|€){2,4}", text.decode()),
    "empty repeats": lambda text: re.fullmatch(b"(xy|z)*", text),
    "right recursion": lambda text: re.fullmatch(rb"(a|aa)+\.?", text),
    "palindromes": lambda text: re.fullmatch(b"[ab]*c?[ab]*", text),
}


@pytest.mark.parametrize("name", CHECKS)
def test_texts_of_odd_tokens_keep_to_the_rules(name: str) -> None:
    rng = random.Random(name)
    vocabulary = odd_vocabulary()
    engine = Engine(vocabulary)
    for length in (0, 1, 2, 3, 5, 8, 13, 21):
        text = generate(vocabulary, engine.start(PROGRAMS[name]), rng, length)
        assert CHECKS[name](text), text


@pytest.mark.parametrize("name", ["any value, spaced", "counted string", "tree", "text"])
def test_texts_of_real_tokens_keep_to_the_rules(name: str) -> None:
    rng = random.Random(name)
    vocabulary = demo_vocabulary()
    engine = Engine(vocabulary)
    for length in (3, 10, 30):
        text = generate(vocabulary, engine.start(PROGRAMS[name]), rng, length)
        assert CHECKS[name](text), text


def test_sixty_optional_keys_come_in_any_order_and_once_at_most() -> None:
    rng = random.Random(60)
    vocabulary = odd_vocabulary()
    state = Engine(vocabulary).start(optional_keys(60, is_ordered=False))
    for length in (10, 60, 200):
        pairs = pairs_of(generate(vocabulary, state, rng, length))
        keys = [key for key, _ in pairs]
        assert len(keys) == len(set(keys))
        assert set(keys) <= {f"key_{index}" for index in range(60)}
