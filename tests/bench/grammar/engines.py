"""What is asked of every engine in the table, and Forge's own.

A mask is counted from the question until its bits lie in a row of the caller's, which is where all
of the engines can put them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine import Engine, State
from forge_common.grammar.spec import JsonSchema, compile_spec
from forge_common.grammar.vocabulary import Vocabulary
from forge_worker.grammar_engine import spare_collections
from tests.bench.grammar.bpe import Bpe

Row = NDArray[np.int32]


class Follower(Protocol):
    """A text under a grammar, token by token."""

    def fill_mask(self, row: Row) -> None: ...

    def advance(self, token_id: int) -> bool:
        """Whether the token was allowed."""
        ...


class GrammarEngine(Protocol):
    """Compiling comes to whatever can be followed; `follow` is not counted."""

    def compile(self, schema: dict[str, Any]) -> Any: ...

    def follow(self, compiled: Any) -> Follower: ...

    def num_cached_bytes(self) -> int | None:
        """What the engine says that it holds, where it says so."""
        ...


class ForgeEngine:
    """Both halves of compiling: schema to program, as the API does, and its machines."""

    def __init__(self, bpe: Bpe, file: Path) -> None:
        self._automata = AutomatonStore()
        self._engine = Engine(Vocabulary(bpe.tokens, [bpe.end_id]))
        self._engine.warm()
        spare_collections()

    def compile(self, schema: dict[str, Any]) -> State:
        return self._engine.start(compile_spec(JsonSchema(schema), self._automata))

    def follow(self, compiled: State) -> Follower:
        return _ForgeFollower(compiled)

    def num_cached_bytes(self) -> int | None:
        return self._engine.num_cached_bytes + self._automata.num_bytes


class _ForgeFollower:
    def __init__(self, state: State) -> None:
        self._state = state

    def fill_mask(self, row: Row) -> None:
        row[:] = self._state.mask()

    def advance(self, token_id: int) -> bool:
        following = self._state.advance(token_id)
        if following is None:
            return False
        self._state = following
        return True
