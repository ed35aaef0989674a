"""RequestBook: a client's half of the protocol, without any waiting.

    open(prompt, …)               take(message)  files what came in the inbox it belongs to
    take_due()  ─▶ Submits to send  lose_link()  what is unfinished is due again, at the next one
    close(inbox) ─▶ Abort to send   lose(error)  fails everything that is still open

Outputs that nobody has read are held in their inbox: at most as many tokens as the request asked
for. Knows no socket, no clock and no event loop.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Iterator, Sequence
from typing import assert_never

import msgspec
from msgspec import Struct

from forge_common.checkpoint.generation_config import GenerationDefaults
from forge_common.client.client_model import ClientModel, TextStream, default_sampling
from forge_common.client.unfinished import Unfinished
from forge_common.errors import ForgeError, LinkError, RequestError
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    KeepAlive,
    Malformed,
    Outputs,
    Rejected,
    SchedulerMessage,
    SchedulerReady,
    SchedulerStats,
    SchedulerStatus,
    SequenceOutput,
    Submit,
)
from forge_common.protocol.message import PROTOCOL_VERSION, Failure, PositionLogprobs
from forge_common.sampling import FinishReason, SamplingParams
from forge_common.transport import Undecodable


class Output(Struct, frozen=True):
    """New tokens of one choice; after one with a `finish_reason`, no more come for it."""

    choice_index: int
    token_ids: list[int]
    text: str | None  # None where the client was given no model
    finish_reason: FinishReason | None
    stop_token_id: int | None
    num_cached_tokens: int
    logprobs: list[PositionLogprobs] | None
    prompt_logprobs: list[PositionLogprobs | None] | None


class Inbox:
    """What has come for one request and was not read yet."""

    def __init__(self, submit: Submit, model: ClientModel | None) -> None:
        self.submit = submit
        self.is_answered = False  # accepted or rejected
        self._outputs: deque[Output] = deque()
        self._error: ForgeError | None = None
        self._open_choices = set(range(submit.sampling.num_choices))
        self._texts = (
            None if model is None else [TextStream(model.tokenizer) for _ in self._open_choices]
        )

    @property
    def is_finished(self) -> bool:
        """Nothing is left to read, and nothing more will come."""
        return not self._open_choices and not self._outputs and self._error is None

    @property
    def open_choices(self) -> list[int]:
        return sorted(self._open_choices)

    @property
    def is_running(self) -> bool:
        """The scheduler still works on it."""
        return bool(self._open_choices) and self._error is None

    @property
    def has_news(self) -> bool:
        return bool(self._outputs) or not self.is_running

    def put(self, output: SequenceOutput) -> None:
        is_last = output.finish_reason is not None
        if output.finish_reason is FinishReason.ERROR:
            self.fail(_request_error(output.error or Failure("the request failed")))
            return
        self._outputs.append(
            Output(
                choice_index=output.choice_index,
                token_ids=output.token_ids,
                text=self._text(output, is_last=is_last),
                finish_reason=output.finish_reason,
                stop_token_id=output.stop_token_id,
                num_cached_tokens=output.num_cached_tokens,
                logprobs=output.logprobs,
                prompt_logprobs=output.prompt_logprobs,
            )
        )
        if is_last:
            self._open_choices.discard(output.choice_index)

    def fail(self, error: ForgeError) -> None:
        self._error = self._error or error
        self.is_answered = True

    def take(self) -> Iterator[Output]:
        """Everything held; then raises what went wrong, if anything did."""
        while self._outputs:
            yield self._outputs.popleft()
        if self._error is not None:
            raise self._error

    def _text(self, output: SequenceOutput, *, is_last: bool) -> str | None:
        if self._texts is None:
            return None
        return self._texts[output.choice_index].push(output.token_ids, is_last=is_last)


class RequestBook:
    def __init__(self, model: ClientModel | None) -> None:
        self.scheduler: SchedulerReady | None = None
        self.error: LinkError | None = None  # after it, nothing more can be asked
        self.is_link_stale = False  # another scheduler answers than the one it was made to
        self._model = model
        self._has_met = False  # a scheduler
        self._inboxes: dict[str, Inbox] = {}
        self._unfinished = Unfinished()
        self._stats: deque[SchedulerStats] = deque()  # one for each that was asked for

    def open(
        self,
        prompt: str | Sequence[int],
        sampling: SamplingParams | None,
        priority: int,
        request_id: str | None,
    ) -> Inbox:
        """Whose `submit` is due now. Raises RequestError for what the scheduler cannot read."""
        self.check_link()
        submit = Submit(
            request_id=request_id or secrets.token_hex(16),
            prompt_token_ids=self._token_ids(prompt),
            sampling=sampling or self._default_sampling(),
            priority=priority,
        )
        if submit.request_id in self._inboxes:
            raise RequestError("a request of this id is running", param="request_id")
        inbox = self._inboxes[submit.request_id] = Inbox(_checked(submit), self._model)
        self._unfinished.open(submit)
        return inbox

    def take_due(self) -> list[Submit]:
        """What is to be sent now; nothing while there is no scheduler."""
        is_due = self.scheduler is not None and self._unfinished.has_due
        return self._unfinished.take_due() if is_due else []

    def close(self, inbox: Inbox) -> Abort | None:
        """Forget a request; what is to be sent, where the scheduler still works on it."""
        self._inboxes.pop(inbox.submit.request_id, None)
        self._unfinished.close(inbox.submit.request_id)
        return Abort(inbox.submit.request_id) if inbox.is_running else None

    def abort(self, request_id: str, choice_index: int | None) -> Abort | None:
        """What is to be sent; with nobody to send it to, the ends are put in the inbox."""
        inbox = self._inboxes.get(request_id)
        if self.scheduler is not None or inbox is None:
            return Abort(request_id, choice_index)
        for index in inbox.open_choices:
            if choice_index in (None, index):
                self._unfinished.end_choice(request_id, index)
                inbox.put(SequenceOutput(request_id, index, [], FinishReason.ABORT))
        if not inbox.is_running:
            self._unfinished.close(request_id)
        return None

    def take(self, message: SchedulerMessage | Undecodable) -> None:
        match message:
            case Outputs():
                self._take_outputs(message)
            case Accepted() | Rejected():
                self._take_answer(message)
            case SchedulerStats():
                self._stats.append(message)
            case SchedulerReady():
                self._take_ready(message)
            case Malformed() | Undecodable():
                self.lose(LinkError(f"the scheduler speaks another protocol: {message.reason}"))
            case KeepAlive() | SchedulerStatus():
                pass  # that it could be sent is all the one says; nobody asks here for the other
            case _:
                assert_never(message)

    def lose_link(self) -> None:
        """The scheduler is gone; another one may come, over another link, if there was one."""
        if not self._has_met:
            self.lose(LinkError("the connection to the scheduler is lost"))
        self.scheduler, self.is_link_stale = None, False
        self._stats.clear()
        self._unfinished.lose_link()

    def lose(self, error: LinkError) -> None:
        self.error = self.error or error
        for inbox in self._inboxes.values():
            inbox.fail(self.error)

    def check_link(self) -> None:
        """Raises LinkError once the scheduler is gone."""
        if self.error is not None:
            raise self.error

    @property
    def has_stats(self) -> bool:
        return bool(self._stats)

    def take_stats(self) -> SchedulerStats:
        return self._stats.popleft()

    def _take_outputs(self, outputs: Outputs) -> None:
        for output in outputs.outputs:
            if inbox := self._inboxes.get(output.request_id):
                self._unfinished.take(output)
                inbox.put(output)

    def _take_answer(self, answer: Accepted | Rejected) -> None:
        inbox = self._inboxes.get(answer.request_id)
        if inbox is None:
            return
        inbox.is_answered = True
        if isinstance(answer, Rejected):
            self._unfinished.close(answer.request_id)
            inbox.fail(_refusal(answer))
        else:
            self._unfinished.accept(answer.request_id)

    def _take_ready(self, ready: SchedulerReady) -> None:
        if ready.protocol_version != PROTOCOL_VERSION:
            self.lose(LinkError(f"the scheduler speaks protocol version {ready.protocol_version}"))
        elif self.scheduler is not None and self.scheduler.epoch != ready.epoch:
            self.is_link_stale = True
        else:
            self.scheduler, self._has_met = ready, True
            for request_id, error in self._unfinished.meet(ready.epoch).items():
                self._inboxes[request_id].fail(error)

    def _token_ids(self, prompt: str | Sequence[int]) -> list[int]:
        if not isinstance(prompt, str):
            return list(prompt)
        if self._model is None:
            raise RequestError("a text prompt needs a client that was given a model_path")
        return self._model.tokenizer.encode(prompt, add_special_tokens=True)

    def _default_sampling(self) -> SamplingParams:
        return default_sampling(
            GenerationDefaults() if self._model is None else self._model.defaults
        )


def _checked(submit: Submit) -> Submit:
    """Constructors check no bounds, decoding does: what would be Malformed there is told here."""
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(submit), type=Submit)
    except (msgspec.MsgspecError, OverflowError) as error:
        raise RequestError(f"the request is not valid: {error}") from error
    return submit


def _refusal(message: Rejected) -> RequestError:
    return RequestError(message.message, param=message.param, code=message.code, kind=message.kind)


def _request_error(failure: Failure) -> RequestError:
    return RequestError(failure.message, param=failure.param, code=failure.code, kind=failure.kind)
