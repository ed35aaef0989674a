"""A scheduler that answers on a thread: each prompt token is echoed, one output each."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import zmq

from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    ClientMessage,
    GetStats,
    Hello,
    Outputs,
    Rejected,
    SchedulerReady,
    SchedulerStats,
    SequenceOutput,
    StepSizes,
    Submit,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.sampling import FinishReason
from forge_common.transport import ServerChannel

SILENT = 13  # a prompt that ends with it is echoed up to there, and nothing more comes
REFUSED = 14
ENDS = 15  # what a request that another scheduler began gets, and its end


class FakeScheduler:
    def __init__(self, directory: Path, epoch: int = 1) -> None:
        self._epoch = epoch
        directory.chmod(0o700)
        self._context: zmq.Context[Any] = zmq.Context()
        self._channel: ServerChannel[Any] = ServerChannel(
            self._context, f"ipc://{directory}/s", ClientMessage
        )
        self.endpoint = self._channel.endpoint
        self.received: list[Any] = []
        self._is_closing = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    @property
    def submits(self) -> list[Submit]:
        return [message for message in self.received if isinstance(message, Submit)]

    def __enter__(self) -> FakeScheduler:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        if not self._is_closing.is_set():
            self._is_closing.set()
            self._thread.join()
            self._channel.close()
            self._context.term()

    def _serve(self) -> None:
        while not self._is_closing.is_set():
            self._channel.socket.poll(10)
            for peer, message in self._channel.drain():
                self.received.append(message)
                for answer in self._answers(message):
                    self._channel.send(peer, answer)

    def _answers(self, message: Any) -> list[Any]:
        match message:
            case Hello():
                return [SchedulerReady(PROTOCOL_VERSION, self._epoch, 512, 400, 16, 100)]
            case Submit(so_far=[_, *_]):
                end = _output(message.request_id, [ENDS], FinishReason.LENGTH)
                return [Accepted(message.request_id), end]
            case Submit(prompt_token_ids=[first, *_]) if first == REFUSED:
                return [Rejected(message.request_id, "refused")]
            case Submit():
                return [Accepted(message.request_id), *_echo(message)]
            case Abort():
                return [_output(message.request_id, [], FinishReason.ABORT)]
            case GetStats():
                return [_stats()]
        return []


def _echo(submit: Submit) -> list[Outputs]:
    *most, last = submit.prompt_token_ids
    outputs = [_output(submit.request_id, [token_id], None) for token_id in most]
    return (
        outputs
        if last == SILENT
        else [*outputs, _output(submit.request_id, [last], FinishReason.LENGTH)]
    )


def _output(request_id: str, token_ids: list[int], reason: FinishReason | None) -> Outputs:
    return Outputs([SequenceOutput(request_id, 0, token_ids, reason)])


def _stats() -> SchedulerStats:
    return SchedulerStats(
        1, 2, 3, 4, 5, None, None, True, None, *[0] * 11, {}, 0, 0, 0, {}, StepSizes([], [0], 0)
    )
