"""State: a place in a text under a grammar, for one sequence; immutable, and shared by all of them.

What follows from a state is the engine's to remember or to work out again, so states hold on to
nothing that lies ahead of them. Knows no rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from forge_common.grammar.engine.stacks import Reading, Thread
from forge_common.grammar.vocabulary import Words

if TYPE_CHECKING:
    from forge_common.grammar.engine.engine import Engine


class Forced(NamedTuple):
    """A text that must come next, and whether behind it nothing may come."""

    text: bytes
    is_end: bool


class State:
    __slots__ = ("_engine", "mask_digest", "reading_here", "threads")

    def __init__(self, engine: Engine, threads: tuple[Thread, ...]) -> None:
        self._engine = engine
        self.threads = threads  # each with another place
        self.mask_digest: bytes | None = None  # the engine's, as the two below
        self.reading_here: Reading | None = None

    @property
    def is_accepting(self) -> bool:
        """Whether the text so far is whole."""
        return self._engine.is_accepting(self)

    def mask(self) -> Words:
        """Which tokens may come next: bit t % 32 of word t // 32. Read-only."""
        return self._engine.mask(self)

    def advance(self, token_id: int) -> State | None:
        """None where the token may not come next. An end token changes nothing."""
        return self._engine.advance(self, token_id)

    def advance_bytes(self, text: bytes) -> State | None:
        return self._engine.advance_bytes(self, text)

    def forced(self, limit: int) -> Forced:
        """The only way on, while there is only one: keys, punctuation; `limit` bytes at most.

        Less where finding out takes long.
        """
        return self._engine.forced(self, limit)
