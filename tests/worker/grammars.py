"""A small vocabulary, and grammars over it, as sequences bring them."""

from __future__ import annotations

import json

import msgspec

from forge_common.grammar.engine import Engine
from forge_common.grammar.program import (
    Array,
    Choice,
    Item,
    JsonString,
    Literals,
    Number,
    Object,
    Program,
    Property,
    Rule,
)
from forge_common.grammar.vocabulary import Vocabulary
from forge_worker.constraints import Constraints

VOCAB_SIZE = 96  # that of the golden models
END = 2
PIECES = ['{"', '":', '",', '"}', "[", "]", '"name', '"age', "true", "null", ", ", "é"[:1]]


def tokens() -> list[bytes]:
    """Lower case ASCII, a few longer pieces, and an end; the rest are never allowed."""
    characters = [chr(code) for code in range(0x20, 0x7F) if not chr(code).isupper()]
    texts = [text.encode() for text in (*characters, *PIECES)]
    spread = [b"", b"", b"", *texts][:VOCAB_SIZE]
    return spread + [b""] * (VOCAB_SIZE - len(spread))


def engine() -> Engine:
    return Engine(Vocabulary(tokens(), [END]))


def constraints() -> Constraints:
    return Constraints(engine)


def text_of(token_ids: list[int]) -> bytes:
    return b"".join(tokens()[token_id] for token_id in token_ids)


def grammar(*rules: Rule) -> bytes:
    return msgspec.msgpack.encode(Program(rules))


PERSON = grammar(
    Object((Property("name", 1, True), Property("age", 2, True), Property("tags", 3))),
    JsonString(max_length=6),
    Number(is_integer=True, minimum="0", maximum="199"),
    Array(rest=Item(4), max_items=3),
    Choice((1, 5)),
    Literals((b"true", b"null")),
)


def is_person(text: bytes) -> bool:
    value = json.loads(text)
    return (
        list(value)[:2] == ["name", "age"]
        and len(value["name"]) <= 6
        and value["age"] in range(200)
        and len(value.get("tags", [])) <= 3
    )
