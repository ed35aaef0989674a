"""What the scheduler sends for one HTTP request, collected until the handler takes it.

Everything that is waiting is taken at once, so a handler that falls behind wakes up less often.
What waits is bounded: past `max_pending_weight` the reader is told to go (`on_overflow`).
Knows nothing of sockets or text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import SequenceOutput, Submit

MAX_PENDING_WEIGHT = 16_384  # in tokens; each log-probability weighs as much as one
MIN_PENDING_STEPS = 4  # may wait, however much one step brings: many choices, with logprobs


class ChoiceKey(NamedTuple):
    request_id: str
    choice_index: int


class OutputStream:
    """`async for outputs in stream`: non-empty lists, until every choice has ended."""

    def __init__(
        self, submits: Sequence[Submit], max_pending_weight: int = MAX_PENDING_WEIGHT
    ) -> None:
        self._open = {
            ChoiceKey(submit.request_id, index)
            for submit in submits
            for index in range(submit.sampling.num_choices)
        }
        self._pending: list[SequenceOutput] = []
        self._pending_weight = 0
        self._max_pending_weight = max(
            max_pending_weight, MIN_PENDING_STEPS * sum(map(weight_of_step, submits))
        )
        self._error: RequestError | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.on_overflow: Callable[[], None] | None = None

    @property
    def open_request_ids(self) -> set[str]:
        """The requests of which a choice still runs in the scheduler."""
        return {key.request_id for key in self._open}

    def put(self, output: SequenceOutput) -> None:
        key = ChoiceKey(output.request_id, output.choice_index)
        if key not in self._open:
            return
        if output.finish_reason is not None:
            self._open.discard(key)
        self._pending.append(output)
        self._pending_weight += weight(output)
        self._wake()
        if self._pending_weight > self._max_pending_weight:
            self.give_up()

    def give_up(self) -> None:
        """The reader is not waited for any longer."""
        if self.on_overflow is not None:
            self.on_overflow()

    def fail(self, error: RequestError) -> None:
        """What came before is still delivered; then `error` is raised, unless that was all."""
        if self._open:
            self._error = self._error or error
            self._wake()

    def close_choice(self, key: ChoiceKey) -> bool:
        """Take no more of this choice; True when it was still running."""
        if key not in self._open:
            return False
        self._open.discard(key)
        return True

    def __aiter__(self) -> OutputStream:
        return self

    async def __anext__(self) -> list[SequenceOutput]:
        while not self._pending:
            if self._error is not None:
                raise self._error
            if not self._open:
                raise StopAsyncIteration
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        taken, self._pending = self._pending, []
        self._pending_weight = 0
        return taken

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def weight(output: SequenceOutput) -> int:
    """How much memory it takes, as a number of tokens.

    Without the prompt's log-probabilities: they come once, so they are bounded by the prompt.
    """
    num_tokens = len(output.token_ids)
    if output.logprobs is None:
        return num_tokens
    return num_tokens + sum(1 + len(position.top) for position in output.logprobs)


def weight_of_step(submit: Submit) -> int:
    """Of the outputs of one step, when each choice gets a token."""
    sampling = submit.sampling
    num_logprobs = 0 if sampling.num_logprobs is None else 1 + sampling.num_logprobs
    return sampling.num_choices * (1 + num_logprobs)
