"""Whether a compiled grammar allows a text: the engine walks its bytes."""

from __future__ import annotations

import functools

import msgspec

from forge_common.grammar.engine import Engine
from forge_common.grammar.program import Program
from forge_common.grammar.vocabulary import Vocabulary


@functools.cache
def engine() -> Engine:
    return Engine(Vocabulary([bytes([byte]) for byte in range(256)]))


def allows(grammar: bytes, text: str) -> bool:
    program = msgspec.msgpack.decode(grammar, type=Program)
    state = engine().start(program).advance_bytes(text.encode())
    return state is not None and state.is_accepting
