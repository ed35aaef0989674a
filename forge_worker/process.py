"""The worker's process: load, report ready, then answer each RunBatch. All its I/O is here.

It sleeps in a poll until the scheduler or the device has something to say, so idle costs nothing,
and a step is launched while the one before it still runs. When its scheduler is gone it forgets
all that it was told, keeps the model, and introduces itself to the next one, under another name.
SIGTERM ends it between two lines of Python, with exit code 0. Knows nothing of sequences, tokens or
arithmetic.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NamedTuple, NoReturn, assert_never

import zmq

from forge_common.config import WorkerConfig
from forge_common.curve_keys import client_security
from forge_common.errors import ConfigError, LinkError, WorkerError
from forge_common.link_security import require_safe
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import (
    RunBatch,
    Shutdown,
    ToWorker,
    WorkerFailed,
    WorkerReady,
)
from forge_common.readiness import Readiness
from forge_common.transport import ClientChannel, Undecodable, read_event
from forge_worker.forgetting import ForgettingRunner
from forge_worker.loaded_model import LoadedModel
from forge_worker.runner import Runner
from forge_worker.scheduler_connection import SchedulerConnection, SchedulerGone, SchedulerRefuses
from forge_worker.sequence_mirror import Limits
from forge_worker.weights.loader import OnProgress

FAREWELL_LINGER_MS = 1000
RETURN_PAUSE_S = 0.05  # so that one who hangs up at once is not called back without end
WAKE_BYTES = 4096  # more than there are wake-ups at a time

logger = logging.getLogger(__name__)


Load = Callable[[WorkerConfig, OnProgress], LoadedModel]


def announcement(limits: Limits) -> WorkerReady:
    return WorkerReady(
        protocol_version=PROTOCOL_VERSION,
        num_blocks=limits.num_blocks,
        block_size=limits.block_size,
        max_model_len=limits.max_model_len,
        vocab_size=limits.vocab_size,
        process_id=os.getpid(),
        max_draft_tokens=limits.max_draft_tokens,
    )


def serve(config: WorkerConfig, load: Load) -> None:
    """Until the scheduler says Shutdown, or SIGTERM. Raises ForgeError where it cannot go on."""
    endpoint = config.links.worker_endpoint
    if endpoint is None:
        raise ConfigError("--worker-endpoint must say where the scheduler listens")
    security = client_security(config.links.curve_keys, "worker")
    require_safe(endpoint, security)  # before a model loads in vain
    signal.signal(signal.SIGTERM, _exit_at_once)
    readiness = Readiness.from_environment()
    loaded = load(config, readiness.progress)
    signal.signal(signal.SIGTERM, _exit_cleanly)
    runner = ForgettingRunner(loaded.runner)
    with zmq.Context() as context:

        def greet() -> ClientChannel[ToWorker]:
            channel: ClientChannel[ToWorker] = ClientChannel(
                context, endpoint, ToWorker, fresh_identity(), security
            )
            channel.send(announcement(loaded.limits))
            return channel

        channel = greet()
        readiness.ready(f"{loaded.limits.num_blocks} blocks of {loaded.limits.block_size}")
        is_supervised = readiness.is_supervised
        while loses_scheduler(
            channel, runner, SchedulerConnection(endpoint, is_supervised=is_supervised)
        ):
            runner.forget_all()
            time.sleep(RETURN_PAUSE_S)
            channel = greet()


def loses_scheduler(
    channel: ClientChannel[ToWorker], runner: Runner, connection: SchedulerConnection
) -> bool:
    """Serve one scheduler until it is gone (True) or says Shutdown (False)."""
    linger_ms = FAREWELL_LINGER_MS
    try:
        with woken(channel, connection) as loop, runner.waking(loop.wake):
            answer_steps(channel, runner, loop.wait)
    except SchedulerGone as gone:
        logger.warning("%s; the next one is awaited", gone)
        linger_ms = 0  # what is still unsent would come to the next one, as from a stranger
        return True
    finally:
        channel.close(linger_ms)
    return False


def fresh_identity() -> bytes:
    """Another one at every start: what an earlier worker said is never taken for this one's."""
    return b"worker-" + secrets.token_hex(8).encode()


class Loop(NamedTuple):
    """`wait` until there is something to do; `wake` ends that from any thread."""

    wait: Callable[[], object]
    wake: Callable[[], None]


@contextmanager
def woken(channel: ClientChannel[ToWorker], connection: SchedulerConnection) -> Iterator[Loop]:
    """A wait for the channel that a signal ends even if it comes just before the poll begins.

    The wait raises SchedulerGone once the connection is lost and all that came by it was received,
    or SchedulerRefuses.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        for end in (reader, writer):
            end.setblocking(False)
        before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        poller = zmq.Poller()
        for source in (channel.socket, channel.monitor, reader):
            poller.register(source, zmq.POLLIN)

        def wait() -> None:
            if connection.loss is None:
                poller.poll()
            with suppress(BlockingIOError):
                reader.recv(WAKE_BYTES)
            while channel.monitor.poll(0):
                connection.on_event(read_event(channel.monitor.recv_multipart()))
            if connection.loss is not None and not channel.wait(0):
                raise connection.loss

        def wake() -> None:
            with suppress(BlockingIOError):  # it is full of wake-ups not yet seen
                writer.send(b"\0")

        try:
            yield Loop(wait, wake)
        finally:
            signal.set_wakeup_fd(before)


def answer_steps(
    channel: ClientChannel[ToWorker], runner: Runner, wait: Callable[[], object]
) -> None:
    """One BatchOutput for each RunBatch, in order. What ends it early is told the scheduler."""
    try:
        wait()
        while _launch(channel, runner):
            for output in runner.finished():
                channel.send(output)
            if not channel.wait(0):
                runner.use_spare_time()
            wait()
    except (SchedulerGone, SchedulerRefuses):
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, WorkerError) else f"unexpected {error!r}"
        with suppress(LinkError):  # which must not hide the reason
            channel.send(WorkerFailed(reason))
        raise


def _launch(channel: ClientChannel[ToWorker], runner: Runner) -> bool:
    """Do what the next message says, if there is one; False after the last."""
    match channel.receive():
        case RunBatch() as batch:
            runner.launch(batch)
        case Shutdown():
            return False
        case Undecodable(reason):
            raise LinkError(f"the scheduler sent what is no message: {reason}")
        case None:
            pass
        case unexpected:
            assert_never(unexpected)
    return True


def _exit_at_once(signum: int, frame: FrameType | None) -> NoReturn:
    """While nothing is served: an exception could be lost in the callback of a compiler."""
    os._exit(0)


def _exit_cleanly(signum: int, frame: FrameType | None) -> NoReturn:
    sys.exit(0)
