"""Constraints: the grammar of each sequence that has one, followed token by token.

    Program ─▶ State ──mask──▶ which tokens may come next
                 │ token drawn
                 ▼
               State

Masks are worked out on a thread of their own, so that they can be while the model computes; nothing
else is asked of the engine meanwhile. Whatever goes wrong with a grammar, its sequence fails and no
other. Knows nothing of logits, requests or schemas.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from forge_common.grammar.program import Program
from forge_common.sampling import SamplingParams
from forge_worker.forward_inputs import IntArray
from forge_worker.sampler.grammar_mask import MaskWords

if TYPE_CHECKING:  # it is imported when the first grammar comes
    from forge_common.grammar.engine import Engine, State
    from forge_common.grammar.engine.state import Forced
    from forge_common.grammar.vocabulary import Vocabulary

NOT_ALLOWED = "a token was drawn that the grammar does not allow"


class Masks(NamedTuple):
    """By row, where a row has a grammar."""

    words: dict[int, MaskWords]
    errors: dict[int, str]

    def errors_of(self, rows: IntArray) -> dict[int, str]:
        """By index of `rows`."""
        if not self.errors:
            return {}
        found = enumerate(map(self.errors.get, rows.tolist()))
        return {index: error for index, error in found if error is not None}


class Constraints:
    def __init__(self, make_engine: Callable[[], Engine]) -> None:
        """`make_engine` is called when the first grammar comes: it reads a whole vocabulary."""
        self._make_engine = make_engine
        self._engine: Engine | None = None
        self._decoder = msgspec.msgpack.Decoder(Program)
        self._states: dict[int, State] = {}
        self._also_allowed: dict[int, MaskWords] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="masks")

    def set(self, row: int, params: SamplingParams, output_token_ids: Sequence[int]) -> str | None:
        """Follow the grammar of `params`, if any, past what is put out already; or say why not."""
        self.clear(row)
        if params.grammar is None:
            return None
        try:
            engine = self._engine = self._engine or self._make_engine()
            self._states[row] = engine.start(self._decoder.decode(params.grammar))
            if params.allowed_token_ids is not None:
                ids = np.array(params.allowed_token_ids, np.int32)
                self._also_allowed[row] = engine.vocabulary.words(ids)
        except Exception as error:
            self.clear(row)
            return f"its grammar cannot be followed: {error}"
        for token_id in output_token_ids:
            if (problem := self._advance(row, token_id)) is not None:
                return problem
        return None

    def clear(self, row: int) -> None:
        self._states.pop(row, None)
        self._also_allowed.pop(row, None)

    def advance(self, rows: Iterable[int], token_ids: Iterable[int]) -> dict[int, str]:
        """Each of `rows` was given its next token; returns by row why one cannot go on."""
        problems: dict[int, str] = {}
        for row, token_id in zip(rows, token_ids, strict=True):
            if row in self._states:
                problem = self._advance(row, token_id)
                if problem is not None:
                    problems[row] = problem
        return problems

    def masks(self, rows: Iterable[int]) -> Masks:
        found = Masks({}, {})
        for row in rows:
            state = self._states.get(row)
            if state is not None:
                try:
                    words = state.mask()
                    also = self._also_allowed.get(row)
                    found.words[row] = words if also is None else words & also
                except Exception as error:
                    found.errors[row] = f"its grammar cannot be followed: {error}"
        return found

    def vocabulary_of(self, row: int) -> Vocabulary | None:
        """That of its grammar; None where it has none."""
        if self._engine is None or row not in self._states:
            return None
        return self._engine.vocabulary

    def forced(self, row: int, max_bytes: int) -> Forced | None:
        """How a row that has a grammar must go on; None where that cannot be found out."""
        try:
            return self._states[row].forced(max_bytes)
        except Exception:  # the mask of the next token will meet it again, and say what it is
            return None

    def begin_masks(self, rows: Sequence[int]) -> Future[Masks]:
        """The same on another thread, until whose result is taken nothing else may be asked."""
        if not any(row in self._states for row in rows):
            nothing: Future[Masks] = Future()
            nothing.set_result(Masks({}, {}))
            return nothing
        return self._thread.submit(self.masks, rows)

    def _advance(self, row: int, token_id: int) -> str | None:
        try:
            following = self._states[row].advance(token_id)
        except Exception as error:
            self.clear(row)
            return f"its grammar cannot be followed: {error}"
        if following is None:
            self.clear(row)
            return NOT_ALLOWED
        self._states[row] = following
        return None
