"""A question to the scheduler that many may wait for at once: it is asked once, all get the answer.

Knows nothing of sockets: sending is a coroutine that comes in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from msgspec import Struct

AnswerT = TypeVar("AnswerT")
Send = Callable[[Struct], Awaitable[None]]


class Inquiry(Generic[AnswerT]):
    def __init__(self, question: Struct, timeout_s: float) -> None:
        self._question = question
        self._timeout_s = timeout_s
        self._waiter: asyncio.Future[AnswerT | None] | None = None

    async def ask(self, send: Send) -> AnswerT | None:
        """None when no answer comes in time, or the one who was asked is gone."""
        is_first = self._waiter is None
        waiter = self._waiter = self._waiter or asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._timeout_s):
                if is_first:
                    await send(self._question)
                return await asyncio.shield(waiter)
        except TimeoutError:
            if self._waiter is waiter:  # and not that of another question
                self._waiter = None
            return None

    def answer(self, message: AnswerT) -> None:
        """One that comes too late is dropped."""
        self._settle(message)

    def forget(self) -> None:
        """The one who was asked is gone: whoever asks next asks anew."""
        self._settle(None)

    def _settle(self, message: AnswerT | None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(message)
        self._waiter = None
