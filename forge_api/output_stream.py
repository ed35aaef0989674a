"""What the scheduler sends for one HTTP request, collected until the handler takes it.

Everything that is waiting is taken at once, so a handler that falls behind wakes up less often.
What waits is bounded: past `max_pending_tokens` the reader is told to go (`on_overflow`).
Knows nothing of sockets or text.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple

from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import SequenceOutput, Submit

MAX_PENDING_TOKENS = 16_384


class ChoiceKey(NamedTuple):
    request_id: str
    choice_index: int


class OutputStream:
    """`async for outputs in stream`: non-empty lists, until every choice has ended."""

    def __init__(
        self, submits: Sequence[Submit], max_pending_tokens: int = MAX_PENDING_TOKENS
    ) -> None:
        self._open = {
            ChoiceKey(submit.request_id, index)
            for submit in submits
            for index in range(submit.sampling.num_choices)
        }
        self._pending: list[SequenceOutput] = []
        self._num_pending_tokens = 0
        self._max_pending_tokens = max_pending_tokens
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
        self._num_pending_tokens += len(output.token_ids)
        self._wake()
        if self._num_pending_tokens > self._max_pending_tokens and self.on_overflow:
            self.on_overflow()

    def fail(self, error: RequestError) -> None:
        """What came before is still delivered; then `error` is raised."""
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
        self._num_pending_tokens = 0
        return taken

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
