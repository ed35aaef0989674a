"""Unfinished: what a scheduler was asked and has not answered in full, so that another can go on.

    open ─▶ take_due ─▶ accept, take … ─▶ close        lose_link ─▶ meet ─▶ take_due, all once more

What has come of each choice is kept, and goes along when its request is sent again; one of which
all has come closes by itself. A request that was there when two schedulers in succession ended, and
got no token between them, is a suspect. Only one suspect at a time is on trial: sent, and without a
token yet. When a scheduler ends over it, it is the first that the next one is sent, before all
else, so that its token does not depend on others and comes at once. If that scheduler ends over it
too it is blamed, and not tried again. Knows no socket, no clock and no event loop.
"""

from __future__ import annotations

import msgspec

from forge_common.errors import RequestError, RequestErrorKind
from forge_common.protocol.api_scheduler import SequenceOutput, Submit

MAX_LOSSES = 3
MAX_TOKENS_SO_FAR = 2**21  # of all choices together: more would not fit in a message


class UnfinishedRequest:
    def __init__(self, submit: Submit) -> None:
        self.is_accepted = False
        self.is_taken = False  # when it was sent the last time
        self.num_losses = 0  # of schedulers in succession, with no token between them
        self._submit = submit
        self._outputs: list[list[int] | None] = [[] for _ in range(submit.sampling.num_choices)]

    @property
    def request_id(self) -> str:
        return self._submit.request_id

    @property
    def is_suspect(self) -> bool:
        return self.num_losses >= MAX_LOSSES - 1

    @property
    def is_over(self) -> bool:
        return all(known is None for known in self._outputs)

    @property
    def is_too_long(self) -> bool:
        return sum(len(known or ()) for known in self._outputs) > MAX_TOKENS_SO_FAR

    def next_submit(self) -> Submit:
        """As it was asked, with what has come since."""
        if not self.is_accepted:
            return self._submit
        so_far = [known if known is None else list(known) for known in self._outputs]
        return msgspec.structs.replace(self._submit, so_far=so_far)

    def take(self, output: SequenceOutput) -> None:
        known = self._outputs[output.choice_index]
        if known is None:
            return
        known += output.token_ids
        self.num_losses = 0
        if output.finish_reason is not None:
            self._outputs[output.choice_index] = None

    def end_choice(self, choice_index: int) -> None:
        self._outputs[choice_index] = None


class Unfinished:
    """Of one client, in the order in which it asked."""

    def __init__(self) -> None:
        self._requests: dict[str, UnfinishedRequest] = {}
        self._unsent: dict[str, UnfinishedRequest] = {}  # over the present link
        self._lost: list[UnfinishedRequest] = []  # with a link, since the last `meet`
        self._on_trial: UnfinishedRequest | None = None
        self._was_on_trial: UnfinishedRequest | None = None  # when the last scheduler ended
        self._first: UnfinishedRequest | None = None  # suspect that was sent before all else
        self._is_anything_sent = False  # over the present link
        self._epoch: int | None = None

    def __len__(self) -> int:
        return len(self._requests)

    @property
    def has_due(self) -> bool:
        return bool(self._unsent) and (self._on_trial is None or self._has_passed(self._on_trial))

    def open(self, submit: Submit) -> None:
        request = UnfinishedRequest(submit)
        self._requests[request.request_id] = self._unsent[request.request_id] = request

    def take_due(self) -> list[Submit]:
        """What to send now, while the link to a scheduler stands. Each is told once a link."""
        due = [*self._put_on_trial(), *(r for r in self._unsent.values() if not r.is_suspect)]
        for request in due:
            request.is_taken = False
            del self._unsent[request.request_id]
        self._is_anything_sent = True
        return [request.next_submit() for request in due]

    def accept(self, request_id: str) -> None:
        if (request := self._requests.get(request_id)) is not None:
            request.is_accepted = request.is_taken = True

    def take(self, output: SequenceOutput) -> None:
        if (request := self._requests.get(output.request_id)) is not None:
            request.take(output)
            self._close_if_over(request)

    def end_choice(self, request_id: str, choice_index: int) -> None:
        """Without waiting for its end to be told."""
        if (request := self._requests.get(request_id)) is not None:
            request.end_choice(choice_index)
            self._close_if_over(request)

    def close(self, request_id: str) -> None:
        self._requests.pop(request_id, None)
        self._unsent.pop(request_id, None)

    def lose_link(self) -> None:
        """Nothing that was said over it counts any more."""
        sent = (each for name, each in self._requests.items() if name not in self._unsent)
        self._lost += sent
        self._unsent = dict(self._requests)
        self._was_on_trial, self._on_trial = self._on_trial, None
        self._is_anything_sent = False

    def meet(self, epoch: int) -> dict[str, RequestError]:
        """A scheduler has introduced itself; which requests are not tried again, and why."""
        has_ended, self._epoch = epoch != self._epoch, epoch
        lost, self._lost = self._lost, []
        first, self._first = self._first, None
        for request in lost if has_ended else ():
            request.num_losses += not request.is_suspect or request is first
        ended = {
            request.request_id: error
            for request in self._requests.values()
            if (error := _why_not_again(request)) is not None
        }
        for request_id in ended:
            self.close(request_id)
        return ended

    def _close_if_over(self, request: UnfinishedRequest) -> None:
        """Its client may still read: there is nothing in it for another scheduler to do."""
        if request.is_over:
            self.close(request.request_id)

    def _put_on_trial(self) -> list[UnfinishedRequest]:
        """The one that is under the greatest suspicion, where nobody is on trial."""
        if self._on_trial is not None and not self._has_passed(self._on_trial):
            return []
        suspects = [request for request in self._unsent.values() if request.is_suspect]
        self._on_trial = min(suspects, key=self._innocence, default=None)
        if not self._is_anything_sent:
            self._first = self._on_trial
        return [] if self._on_trial is None else [self._on_trial]

    def _innocence(self, suspect: UnfinishedRequest) -> tuple[bool, bool]:
        return suspect is not self._was_on_trial, suspect.is_taken

    def _has_passed(self, suspect: UnfinishedRequest) -> bool:
        """It has got a token, or its end."""
        is_open = self._requests.get(suspect.request_id) is suspect
        return not is_open or not suspect.is_suspect


def _why_not_again(request: UnfinishedRequest) -> RequestError | None:
    if request.num_losses >= MAX_LOSSES:
        return RequestError(
            "schedulers ended again and again while they served this request:"
            " it is not tried again",
            kind=RequestErrorKind.INTERNAL,
        )
    if request.is_too_long:
        return RequestError(
            "too much of this request was put out for another scheduler to go on with it",
            kind=RequestErrorKind.UNAVAILABLE,
        )
    return None
