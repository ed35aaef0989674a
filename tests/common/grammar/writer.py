"""Writer: random texts of a Program, byte by byte as the engine allows them, soon at their end."""

from __future__ import annotations

from random import Random

import numpy as np

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.program import Program
from forge_common.grammar.vocabulary import Vocabulary

CLOSING = b'"]}eE'  # an exponent may be the only way for a number to end
MAX_BYTES = 2000
CLOSES_AFTER = 60  # bytes, from which on whatever can be closed is
# No exponents before that: they would be most of what is written.
WRITTEN = bytes(byte for byte in range(0x20, 0x7F) if byte not in b"eE")


class Writer:
    def __init__(self, seed: int, closing: bytes = CLOSING) -> None:
        self._random = Random(seed)
        self._closing = closing
        self._engine = Engine(Vocabulary([bytes([byte]) for byte in range(256)]))

    def write(self, program: Program) -> str:
        """Fails where the grammar leads into a dead end."""
        state = self._engine.start(program)
        text = bytearray()
        while not (state.is_accepting and self._stops(state)):
            byte = self._choose(state, len(text))
            text.append(byte)
            following = state.advance_bytes(bytes([byte]))
            assert following is not None
            assert len(text) < MAX_BYTES
            state = following
        return text.decode()

    def _stops(self, state: State) -> bool:
        return not self._allowed(state) or self._random.random() < 0.3

    def _choose(self, state: State, num_written: int) -> int:
        allowed = self._allowed(state)
        closing = [byte for byte in allowed if byte in self._closing]
        if closing and num_written > CLOSES_AFTER:
            return self._random.choice(closing)
        return self._random.choice([byte for byte in allowed if byte in WRITTEN] or allowed)

    def _allowed(self, state: State) -> list[int]:
        bits = np.unpackbits(state.mask().view(np.uint8), bitorder="little")
        return [int(byte) for byte in np.flatnonzero(bits)]
