"""Foresight: which tokens a model is likely to put out next, because its grammar forces their text.

    put out so far   {"name            forced   ":"            likely   ":"
                     {"name":"Ann",             "age":                  "age  ":

What is forced can be spelled in several ways. The first guess is what the tokenizer makes of it;
how the model spelled it the last time is remembered, and guessed from then on. No guess changes a
text: it is drafted, and verified like any draft. Knows no logits and no batches.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import NamedTuple

from forge_common.protocol.scheduler_worker import RunBatch
from forge_worker.constraints import Constraints
from forge_worker.forward_inputs import IntArray
from forge_worker.spelling import Spelling, TokenIds

MAX_FORCED_BYTES = 256  # seen ahead at a time
MAX_HABITS = 1024
NUM_TOKENS_BEFORE = 4  # that a tokenizer may look at


class Followed(NamedTuple):
    """A sequence after a step that gave it tokens."""

    sequence_id: int
    row: int
    token_ids: IntArray  # prompt and output
    new_token_ids: list[int]  # the last of those


class Habits:
    """How texts were spelled the last time; those of long ago are forgotten."""

    def __init__(self) -> None:
        self._spellings: OrderedDict[bytes, TokenIds] = OrderedDict()

    def find(self, forced: bytes) -> TokenIds | None:
        return self._spellings.get(forced)

    def learn(self, forced: bytes, spelling: TokenIds) -> None:
        self._spellings[forced] = spelling
        self._spellings.move_to_end(forced)
        if len(self._spellings) > MAX_HABITS:
            self._spellings.popitem(last=False)


class Span:
    """A text that is forced, while the model puts it out. `end` is the token that must follow."""

    def __init__(self, forced: bytes, guess: TokenIds, end: TokenIds) -> None:
        self.forced = forced
        self._guess = guess
        self._end = end
        self._came: TokenIds = ()
        self._num_left = len(forced)  # bytes

    @property
    def is_over(self) -> bool:
        return self._num_left <= 0

    @property
    def likely(self) -> TokenIds:
        return (*self._guess[len(self._came) :], *self._end)

    @property
    def spelling(self) -> TokenIds:
        """A token that goes on behind the forced text is none of it."""
        return self._came if self._num_left == 0 else self._came[:-1]

    def take_in(self, token_ids: Iterable[int], spelling: Spelling) -> None:
        for token_id in token_ids:
            if self.is_over:
                return
            self._came = (*self._came, token_id)
            self._num_left -= len(spelling.vocabulary.token_bytes(token_id))
        if self._came != self._guess[: len(self._came)]:
            self._realign(spelling)

    def _realign(self, spelling: Spelling) -> None:
        """What was guessed is guessed further on, from where its next token begins."""
        place = len(self.forced) - self._num_left
        end, num_passed = 0, 0
        while end < place and num_passed < len(self._guess):
            end += len(spelling.vocabulary.token_bytes(self._guess[num_passed]))
            num_passed += 1
        bridge = spelling.longest_tokens(self.forced[place:end])
        self._guess = (*self._came, *bridge, *self._guess[num_passed:])


class Foresight:
    """`max_tokens` of a sequence in one step; with 0 it asks nothing of anybody."""

    def __init__(self, constraints: Constraints, max_tokens: int) -> None:
        self._constraints = constraints
        self._max_tokens = max_tokens
        self._spelling: Spelling | None = None  # made when the first grammar comes
        self._habits = Habits()
        self._asked_for: set[int] = set()  # sequence ids
        self._spans: dict[int, Span] = {}  # by sequence id
        self._end: TokenIds = ()  # what ended a sequence last

    def meet(self, batch: RunBatch) -> None:
        """Forget whom it releases, and begin anew with whom it introduces."""
        for sequence_id in (*batch.released, *(new.sequence_id for new in batch.new)):
            self._spans.pop(sequence_id, None)
            self._asked_for.discard(sequence_id)
        for new in batch.new:
            if new.is_speculative and new.sampling.grammar is not None:
                self._asked_for.add(new.sequence_id)

    @property
    def is_asked(self) -> bool:
        """Whether any sequence that is known wants to have its tokens foretold."""
        return len(self._asked_for) > 0

    def likely_tokens(self, followed: Followed) -> list[int]:
        """Those that may come next; none without a grammar, or where nothing is forced."""
        if followed.sequence_id not in self._asked_for:
            return []
        spelling = self._spelling_for(followed.row)
        if spelling is None:
            return []
        self._take_in(followed, spelling)
        if followed.sequence_id not in self._spans:
            self._begin_span(followed, spelling)
        span = self._spans.get(followed.sequence_id)
        return [] if span is None else list(span.likely[: self._max_tokens])

    def _spelling_for(self, row: int) -> Spelling | None:
        vocabulary = self._constraints.vocabulary_of(row) if self._max_tokens else None
        if vocabulary is None:
            return None
        if self._spelling is None:
            self._spelling = Spelling(vocabulary)
        return self._spelling

    def _take_in(self, followed: Followed, spelling: Spelling) -> None:
        last = followed.new_token_ids[-1]
        if last in spelling.vocabulary.end_ids:
            self._end = (last,)
        span = self._spans.get(followed.sequence_id)
        if span is None:
            return
        span.take_in(followed.new_token_ids, spelling)
        if span.is_over:
            del self._spans[followed.sequence_id]
            self._habits.learn(span.forced, span.spelling)

    def _begin_span(self, followed: Followed, spelling: Spelling) -> None:
        forced = self._constraints.forced(followed.row, MAX_FORCED_BYTES)
        if forced is None:
            return
        end = self._end if forced.is_end else ()
        if forced.text or end:
            guess = self._habits.find(forced.text)
            if guess is None:
                guess = spelling.spell(_text_before(followed, spelling), forced.text)
            self._spans[followed.sequence_id] = Span(forced.text, guess, end)


def _text_before(followed: Followed, spelling: Spelling) -> bytes:
    token_ids = followed.token_ids[-NUM_TOKENS_BEFORE:].tolist()
    return b"".join(map(spelling.vocabulary.token_bytes, token_ids))
