"""FollowedGrammar: the grammar of one sequence, and how far the sequence has come in it.

    Program ─▶ State ──mask──▶ which tokens may come next
                 │ token drawn
                 ▼
               State

Tokens are taken in when they are known, and followed when there is time. Knows neither rows nor
other sequences.
"""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec
import numpy as np

from forge_common.errors import RequestErrorKind
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.program import Program
from forge_common.protocol.message import Failure
from forge_common.sampling import SamplingParams
from forge_worker.sampler.grammar_mask import MaskWords

if TYPE_CHECKING:  # it is imported when the first grammar comes
    from forge_common.grammar.engine import Engine, State
    from forge_common.grammar.engine.state import Forced

TOO_COSTLY = "grammar_too_costly"
INVALID_GRAMMAR = "invalid_grammar"
NOT_ALLOWED = Failure("a token was drawn that the grammar does not allow")
DIGEST_BYTES = 16

_DECODER = msgspec.msgpack.Decoder(Program)


class NotAllowed(Exception):
    """The sequence has a token that its grammar does not allow there."""


class GrammarStep(NamedTuple):
    state: State
    words: MaskWords  # what may come next there


class FollowedGrammar:
    def __init__(
        self, engine: Engine, params: SamplingParams, output_token_ids: Iterable[int]
    ) -> None:
        self.debt_s = 0.0  # what it cost beyond what its tokens were good for
        self.takes_long = False  # what is asked of it now: an attempt was in vain
        self.failure: Failure | None = None  # why it cannot go on
        self._engine = engine
        self._program = params.grammar or b""
        self._ahead = deque(output_token_ids)  # known, and not followed yet
        self._token_ids = array("I", self._ahead)
        self._state: State | None = None
        self._ends = frozenset(params.eos_token_ids)
        self._also_allowed = _words(engine, params.allowed_token_ids)
        self._end_words = _words(engine, params.eos_token_ids or None)

    @property
    def place(self) -> bytes:
        """Equal for equal texts under equal grammars."""
        digest = blake2b(self._program, digest_size=DIGEST_BYTES)
        digest.update(self._token_ids)
        return digest.digest()

    def push(self, token_id: int) -> None:
        self._ahead.append(token_id)
        self._token_ids.append(token_id)

    def catch_up(self) -> State:
        """Where the sequence stands. Raises GrammarError, or NotAllowed."""
        if self._state is None:
            self._state = self._start()
        while self._ahead:
            self._state = self._after(self._state, self._ahead[0])
            self._ahead.popleft()
        return self._state

    @property
    def may_be_over(self) -> bool:
        """By its last token; nothing is said of how many it may have."""
        return self._token_ids[-1] in self._ends

    def mask(self) -> MaskWords:
        """What may come next, as `catch_up`."""
        return self._mask_of(self.catch_up())

    def step(self, state: State, token_id: int) -> GrammarStep:
        """Were `token_id` to come in `state`; the sequence stays where it is. As `catch_up`."""
        following = self._after(state, token_id)
        return GrammarStep(following, self._mask_of(following))

    def _mask_of(self, state: State) -> MaskWords:
        words = self._with_own_ends(state, state.mask())
        return words if self._also_allowed is None else words & self._also_allowed

    def forced(self, max_bytes: int) -> Forced:
        """How it must go on, as `catch_up`."""
        return self.catch_up().forced(max_bytes)

    def _start(self) -> State:
        try:
            return self._engine.start(_DECODER.decode(self._program))
        except GrammarError:
            raise
        except Exception as error:  # only a Program that no compiler of ours made
            raise GrammarError(f"it is malformed: {error}") from error

    def _after(self, state: State, token_id: int) -> State:
        following = state.advance(token_id)
        if following is None and token_id in self._ends and state.is_accepting:
            return state
        if following is None:
            raise NotAllowed
        return following

    def _with_own_ends(self, state: State, words: MaskWords) -> MaskWords:
        """The request's, where it names other ends than the model's own."""
        if self._end_words is None or self._ends == self._engine.vocabulary.end_ids:
            return words
        words = self._engine.vocabulary.without_ends(words)
        return words | self._end_words if state.is_accepting else words


def failure_of(error: Exception) -> Failure:
    """The client's own fault, unless it is no error of a grammar."""
    if isinstance(error, GrammarTooLarge):
        return _fault(f"the grammar costs too much: {error.message}", TOO_COSTLY)
    if isinstance(error, GrammarError):
        return _fault(f"the grammar cannot be followed: {error.message}", INVALID_GRAMMAR)
    if isinstance(error, NotAllowed):
        return NOT_ALLOWED
    return Failure(f"its grammar cannot be followed: {error}")


def _fault(message: str, code: str) -> Failure:
    return Failure(message, RequestErrorKind.INVALID, "grammar", code)


def _words(engine: Engine, token_ids: Iterable[int] | None) -> MaskWords | None:
    if token_ids is None:
        return None
    return engine.vocabulary.bits(np.array(sorted(token_ids), np.int64))
