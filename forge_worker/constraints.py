"""Constraints: the grammar of each sequence that has one, followed token by token.

A step waits for grammars only so long. What is cheap is answered at once; a mask that takes longer
is worked out a slice at a time, over several steps, and its row gets no token meanwhile. So
whatever a grammar costs, its own sequence waits, and which tokens come does not depend on it. Rows
that cost most come last.

Tokens are followed and masks worked out on a thread of their own while the model computes, on a
core that is lent for it; nothing else is asked of the engine meanwhile. Whatever goes wrong with a
grammar, its sequence fails and no other. Knows nothing of logits, requests or schemas.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from time import thread_time
from typing import TYPE_CHECKING, TypeVar

from forge_common.grammar.errors import GrammarTooLarge
from forge_common.protocol.message import Failure
from forge_common.sampling import SamplingParams
from forge_worker.cpu_cores import LendCore
from forge_worker.followed_grammar import FollowedGrammar, failure_of
from forge_worker.grammar_budget import Pace, StepBudget
from forge_worker.long_masks import LongMasks
from forge_worker.masks import Masks, NoMasks, PendingMasks
from forge_worker.sampler.grammar_mask import MaskWords
from forge_worker.time_slices import LongWork, TakesLong, TimeSlices

if TYPE_CHECKING:  # it is imported when the first grammar comes
    from forge_common.grammar.engine import Engine
    from forge_common.grammar.engine.state import Forced
    from forge_common.grammar.vocabulary import Vocabulary

Result = TypeVar("Result")

MAX_REFUSED = 4096
ROWS_AT_A_TIME = 8


class Constraints:
    def __init__(
        self,
        make_engine: Callable[[], Engine],
        pace: Pace | None = None,
        lend_core: LendCore = nullcontext,
    ) -> None:
        """`make_engine` is called when the first grammar comes: it reads a whole vocabulary."""
        self._make_engine = make_engine
        self._lend_core = lend_core
        self._engine: Engine | None = None
        self._pace = pace or Pace()
        self._budget = StepBudget(self._pace)
        self._grammars: dict[int, FollowedGrammar] = {}
        self._refused: OrderedDict[bytes, Failure] = OrderedDict()
        self._slices = TimeSlices()
        self._long = LongMasks(self._slices, self._pace, self._debt_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="masks")

    def begin_step(self, num_sequences: int) -> None:
        """One of so many sequences."""
        self._budget.begin_step(num_sequences)

    def set(
        self, row: int, params: SamplingParams, output_token_ids: Sequence[int]
    ) -> Failure | None:
        """Follow the grammar of `params`, if any, past what is put out already; or say why not."""
        self.clear(row)
        if params.grammar is None:
            return None
        try:
            grammar = FollowedGrammar(self._ready_engine(), params, output_token_ids)
        except Exception as error:
            return failure_of(error)
        self._grammars[row] = grammar
        return self._catch_up(row)

    def clear(self, row: int) -> None:
        self._grammars.pop(row, None)
        self._long.drop_of(row)

    def advance(self, rows: Iterable[int], token_ids: Iterable[int]) -> dict[int, Failure]:
        """Each of `rows` was given its next token; returns by row why one cannot go on.

        Tokens are followed where the next mask is worked out, beside a forward pass. One that may
        be the last is followed now: there may be no next mask to refuse it.
        """
        problems: dict[int, Failure] = {}
        if not self._grammars:
            return problems
        for row, token_id in zip(rows, token_ids, strict=True):
            grammar = self._grammars.get(row)
            if grammar is not None:
                grammar.push(token_id)
                grammar.debt_s = max(grammar.debt_s - self._pace.forgiven_s, 0.0)
                problem = self._catch_up(row) if grammar.may_be_over else None
                if problem is not None:
                    problems[row] = problem
        return problems

    def masks(self, rows: Iterable[int]) -> Masks:
        found = Masks({}, {}, set())
        constrained = [row for row in rows if row in self._grammars]
        constrained.sort(key=self._debt_s)
        self._slice_all(self._attempt_all(constrained, found), found)
        self._budget.num_delayed += len(found.delayed)
        return found

    def has_grammar(self, row: int) -> bool:
        return row in self._grammars

    def masks_behind(self, row: int, token_ids: Sequence[int]) -> list[MaskWords]:
        """What its grammar would allow behind each of `token_ids`, for a row that has its mask.

        As far as it allows those themselves, and as what they cost is little.
        """
        began_s = thread_time()
        found: list[MaskWords] = []
        with suppress(Exception, TakesLong):  # whoever comes there will meet it again
            for words in self._words_behind(self._grammars[row], token_ids):
                found.append(words)
        self._budget.spend(thread_time() - began_s)
        return found

    def vocabulary_of(self, row: int) -> Vocabulary | None:
        """That of its grammar; None where it has none."""
        if self._engine is None or row not in self._grammars:
            return None
        return self._engine.vocabulary

    def forced(self, row: int, max_bytes: int) -> Forced | None:
        """How a row that has a grammar must go on; None where that cannot be found out."""
        grammar = self._grammars[row]
        if grammar.takes_long:
            return None
        try:
            return self._attempt(grammar, partial(grammar.forced, max_bytes))
        except (Exception, TakesLong):  # the next mask will meet it again, and say what it is
            return None
        finally:
            self._budget.spend(self._slices.spent_s)

    def begin_masks(self, rows: Sequence[int]) -> PendingMasks:
        """The same on another thread, until whose result is taken nothing else may be asked."""
        if self._grammars.keys().isdisjoint(rows):
            return NoMasks()
        return self._thread.submit(self._masks_on_lent_core, rows)

    def _masks_on_lent_core(self, rows: Sequence[int]) -> Masks:
        with self._lend_core():
            return self.masks(rows)

    def _words_behind(
        self, grammar: FollowedGrammar, token_ids: Sequence[int]
    ) -> Iterator[MaskWords]:
        state = grammar.catch_up()
        for token_id in token_ids:
            state, words = self._attempt(grammar, partial(grammar.step, state, token_id))
            yield words

    def _ready_engine(self) -> Engine:
        if self._engine is None:
            self._engine = self._make_engine()
            self._engine.look_by(self._slices.look)
        return self._engine

    def _catch_up(self, row: int) -> Failure | None:
        """What is not done in time is when the row's mask is asked for."""
        grammar, began_s = self._grammars[row], thread_time()
        try:
            self._attempt(grammar, grammar.catch_up)
        except TakesLong:
            grammar.takes_long = True
        except Exception as error:
            return self._fail(row, error)
        finally:
            self._budget.spend(thread_time() - began_s)
        return None

    def _attempt_all(self, rows: Sequence[int], found: Masks) -> list[int]:
        """Those that take long."""
        dear: list[int] = []
        for start in range(0, len(rows), ROWS_AT_A_TIME):
            began_s = thread_time()
            some = rows[start : start + ROWS_AT_A_TIME]
            dear += [row for row in some if not self._is_cheap(row, found)]
            self._budget.spend(thread_time() - began_s)
        return dear

    def _is_cheap(self, row: int, found: Masks) -> bool:
        grammar = self._grammars[row]
        if grammar.failure is None and self._refused:
            grammar.failure = self._refused.get(grammar.place)
        if grammar.failure is not None:
            found.errors[row] = grammar.failure
            return True
        if grammar.takes_long:
            return False
        try:
            found.words[row] = self._attempt(grammar, grammar.mask)
        except TakesLong:
            grammar.takes_long = True
            return False
        except Exception as error:
            found.errors[row] = self._fail(row, error)
        return True

    def _attempt(self, grammar: FollowedGrammar, work: Callable[[], Result]) -> Result:
        try:
            return self._slices.attempt(work, self._budget.at_most(self._pace.attempt_s))
        finally:
            grammar.debt_s += self._slices.spent_s

    def _slice_all(self, rows: Iterable[int], found: Masks) -> None:
        waiting = deque(rows)
        while waiting and self._budget.left_s > 0:
            row = waiting.popleft()
            work = self._long.work_for(row, self._grammars[row])
            if work is None:
                found.delayed.add(row)
                continue
            spent_s = work.spent_s
            self._slices.resume(work, self._budget.at_most(self._pace.slice_s))
            self._budget.spend(work.spent_s - spent_s)
            self._grammars[row].debt_s += work.spent_s - spent_s
            if work.is_over:
                self._take_result(row, work, found)
            else:
                waiting.append(row)
        found.delayed.update(waiting)

    def _take_result(self, row: int, work: LongWork[MaskWords], found: Masks) -> None:
        """Whoever asked the same finds it next time, worked out."""
        grammar = self._grammars[row]
        self._long.finish(grammar.place)
        for other in self._grammars.values():
            if other.takes_long and other.place == grammar.place:
                other.takes_long = False
        try:
            found.words[row] = work.result()
        except Exception as error:
            found.errors[row] = self._fail(row, error)

    def _debt_s(self, row: int) -> float:
        return self._grammars[row].debt_s

    def _fail(self, row: int, error: Exception) -> Failure:
        """What was too much is so again, though half of it is worked out by now."""
        grammar = self._grammars[row]
        grammar.failure = failure = failure_of(error)
        if isinstance(error, GrammarTooLarge):
            self._refused[grammar.place] = failure
            if len(self._refused) > MAX_REFUSED:
                self._refused.popitem(last=False)
        self._long.drop_of(row)
        return failure
