"""OpenRequests: what clients have asked of the engine, and whom its answers are for.

    open ─▶ take_due … accept or reject ─▶ deliver … ─▶ close        lose_link, meet: all once more

Those that are open wait at two places: where their outputs go, and for the scheduler's yes or no.
What was taken and is unfinished can be asked of another scheduler. Knows neither a link nor JSON.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from msgspec import Struct

from forge_api.errors import DEFAULT_RETRY_AFTER_S, RetryLater
from forge_api.output_stream import ChoiceKey, OutputStream
from forge_common.client.unfinished import Unfinished
from forge_common.errors import RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import Rejected, SequenceOutput, Submit
from forge_common.sampling import MAX_CHOICES

PASSING = frozenset({"shutting_down", "starting"})  # refusals for which the next scheduler is asked


class OpenRequest(Struct):
    """Where its outputs go, and whether the scheduler took it."""

    stream: OutputStream
    answer: asyncio.Future[None]

    def fail(self, error: RequestError) -> None:
        self.stream.fail(error)
        if not self.answer.done():
            self.answer.set_exception(error)


class OpenRequests:
    def __init__(self) -> None:
        self._requests: dict[str, OpenRequest] = {}
        self._unfinished = Unfinished()

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def num_unfinished(self) -> int:
        """Less those that have come in full, while their clients still read."""
        return len(self._unfinished)

    @property
    def has_due(self) -> bool:
        return self._unfinished.has_due

    def take_due(self) -> list[Submit]:
        """To be sent over the present link."""
        return self._unfinished.take_due()

    def open(self, submits: Sequence[Submit], stream: OutputStream) -> list[asyncio.Future[None]]:
        """Each has a result once the scheduler has taken that one; raises as it refuses it."""
        loop = asyncio.get_running_loop()
        answers: list[asyncio.Future[None]] = [loop.create_future() for _ in submits]
        for submit, answer in zip(submits, answers, strict=True):
            self._requests[submit.request_id] = OpenRequest(stream, answer)
            self._unfinished.open(submit)
        return answers

    def close(self, submits: Iterable[Submit]) -> None:
        for submit in submits:
            self._requests.pop(submit.request_id, None)
            self._unfinished.close(submit.request_id)

    def end_choice(self, key: ChoiceKey) -> None:
        """Without waiting for its end to be told."""
        self._unfinished.end_choice(key.request_id, key.choice_index)

    def deliver(self, outputs: Iterable[SequenceOutput]) -> None:
        requests = self._requests
        for output in outputs:
            request = requests.get(output.request_id)
            if request is not None:
                self._unfinished.take(output)
                request.stream.put(output)

    def accept(self, request_id: str) -> bool:
        """False where its client has left."""
        request = self._requests.get(request_id)
        if request is None:
            return False
        self._unfinished.accept(request_id)
        if not request.answer.done():
            request.answer.set_result(None)
        return True

    def reject(self, message: Rejected) -> None:
        request = self._requests.get(message.request_id)
        if request is None or message.code in PASSING:
            return
        self._unfinished.close(message.request_id)
        request.fail(error_from(message))
        for index in range(MAX_CHOICES):
            request.stream.close_choice(ChoiceKey(message.request_id, index))

    def fail_all(self, error: RequestError) -> None:
        for request_id, request in self._requests.items():
            self._unfinished.close(request_id)
            request.fail(error)

    def lose_link(self) -> None:
        """Nothing that was said over it counts any more."""
        self._unfinished.lose_link()

    def meet(self, epoch: int) -> None:
        """A scheduler has introduced itself: what is not tried again fails."""
        for request_id, error in self._unfinished.meet(epoch).items():
            self._requests[request_id].fail(error)


def error_from(message: Rejected) -> RequestError:
    if message.kind is RequestErrorKind.OVERLOADED:
        return RetryLater(
            message.message,
            code=message.code,
            retry_after_s=message.retry_after_s or DEFAULT_RETRY_AFTER_S,
        )
    return RequestError(message.message, param=message.param, code=message.code, kind=message.kind)
