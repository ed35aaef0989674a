"""The worker's loop over real sockets, and the worker as a real process with a real model."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
import zmq

from forge_common.config import LinkSettings, WorkerConfig
from forge_common.errors import ConfigError, ForgeError, LinkError, WorkerError
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import (
    MAX_DRAFT_TOKENS,
    BatchOutput,
    FromWorker,
    RunBatch,
    ScheduledSequence,
    Shutdown,
    ToWorker,
    WorkerFailed,
    WorkerReady,
)
from forge_common.transport import ClientChannel, ServerChannel
from forge_worker.loaded_model import LoadedModel
from forge_worker.process import answer_steps, fresh_identity, serve, woken
from forge_worker.scheduler_connection import SchedulerConnection, SchedulerGone
from forge_worker.weights.loader import OnProgress
from tests.worker.fakes import FakeSequence, fake_runner, new_sequence

GOLDEN_MODEL = Path(__file__).parent.parent / "golden" / "models" / "llama2"
TIMEOUT_MS = 20_000
IDENTITY = b"worker"


class Scheduler:
    """The other end: a bound channel that speaks to one worker."""

    def __init__(self, context: zmq.Context, directory: Path) -> None:
        directory.chmod(0o700)
        self.channel = ServerChannel(context, f"ipc://{directory}/worker", FromWorker)
        self.worker = b""

    def receive(self):
        assert self.channel.socket.poll(TIMEOUT_MS)
        self.worker, message = self.channel.receive()
        return message

    def send(self, message) -> None:
        self.channel.send(self.worker, message)

    def send_bytes(self, frame: bytes) -> None:
        self.channel.socket.send_multipart((self.worker, frame))


@pytest.fixture
def scheduler(tmp_path) -> Iterator[Scheduler]:
    with zmq.Context() as context:
        scheduler = Scheduler(context, tmp_path)
        yield scheduler
        scheduler.channel.close()


class Loop(threading.Thread):
    """`answer_steps` over a fake model."""

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self.endpoint = endpoint
        self.error: ForgeError | None = None
        self.start()

    def run(self) -> None:
        with zmq.Context() as context:
            channel = ClientChannel(context, self.endpoint, ToWorker, IDENTITY)
            channel.send(WorkerReady(PROTOCOL_VERSION, 64, 4, 64, 50, 1))
            try:
                answer_steps(channel, fake_runner(), channel.wait)
            except ForgeError as error:
                self.error = error
            channel.close(1000)


@pytest.fixture
def loop(scheduler) -> Iterator[Loop]:
    loop = Loop(scheduler.channel.endpoint)
    scheduler.receive()
    yield loop
    loop.join(20)
    assert not loop.is_alive()


def run_batch(sequence: FakeSequence, step_id: int = 0) -> RunBatch:
    new = [] if sequence.num_sent_blocks else [sequence.introduction()]
    return RunBatch(step_id, [], new, [sequence.schedule()])


def test_steps_are_answered_in_order_even_when_sent_ahead(scheduler, loop) -> None:
    sequence = FakeSequence(1, [1, 2, 3], [4, 5])
    for step_id in range(3):
        scheduler.send(run_batch(sequence, step_id))
    outputs = [scheduler.receive() for _ in range(3)]
    assert [output.step_id for output in outputs] == [0, 1, 2]
    scheduler.send(Shutdown())


def test_broken_contract_is_told_and_ends_the_worker(scheduler, loop) -> None:
    scheduler.send(RunBatch(0, [], [], [ScheduledSequence(9, 0, 1, [0], True)]))
    assert scheduler.receive() == WorkerFailed("sequence 9 is scheduled but unknown")
    loop.join(20)
    assert isinstance(loop.error, WorkerError)


def test_bytes_that_are_no_message_are_told_and_end_the_worker(scheduler, loop) -> None:
    scheduler.send_bytes(b"\xc1")
    assert "no message" in scheduler.receive().reason
    loop.join(20)
    assert isinstance(loop.error, LinkError)


def test_what_the_scheduler_said_before_it_went_is_heard(scheduler) -> None:
    endpoint = scheduler.channel.endpoint
    connection = SchedulerConnection(endpoint, is_supervised=False)
    with (
        zmq.Context() as context,
        closing(ClientChannel(context, endpoint, ToWorker, IDENTITY)) as channel,
        woken(channel, connection) as loop,
    ):
        channel.send(WorkerReady(PROTOCOL_VERSION, 64, 4, 64, 50, 1))
        scheduler.receive()
        scheduler.send(Shutdown())
        assert channel.wait(TIMEOUT_MS / 1000)
        scheduler.channel.close()
        while connection.loss is None:
            loop.wait()
        assert channel.receive() == Shutdown()
        with pytest.raises(SchedulerGone):
            loop.wait()


class LateRunner:
    """Answers every step some time after its launch, from another thread, and counts spare time."""

    def __init__(self) -> None:
        self.launched: list[int] = []
        self.done: list[BatchOutput] = []
        self.num_launched_before_first_answer = 0
        self.num_spare_times = 0

    def launch(self, batch: RunBatch) -> None:
        self.launched.append(batch.step_id)
        if len(self.launched) == 2:  # both steps are in flight before either is answered
            threading.Timer(0.05, self.finish_all).start()

    def finish_all(self) -> None:
        self.num_launched_before_first_answer = len(self.launched)
        self.done = [BatchOutput(step_id, [], 0.0) for step_id in self.launched]
        self.wake()

    def finished(self) -> list[BatchOutput]:
        done, self.done = self.done, []
        return done

    def use_spare_time(self) -> None:
        self.num_spare_times += 1

    @contextmanager
    def waking(self, wake):
        self.wake = wake
        yield


def test_steps_on_a_device_are_launched_ahead_and_answered_when_they_are_done(scheduler) -> None:
    endpoint, runner = scheduler.channel.endpoint, LateRunner()

    def serve_steps() -> None:
        with (
            zmq.Context() as context,
            closing(ClientChannel(context, endpoint, ToWorker, IDENTITY)) as channel,
            woken(channel, SchedulerConnection(endpoint, is_supervised=True)) as loop,
            runner.waking(loop.wake),
        ):
            channel.send(WorkerReady(PROTOCOL_VERSION, 64, 4, 64, 50, 1))
            answer_steps(channel, runner, loop.wait)

    thread = threading.Thread(target=serve_steps)
    # A wake-up descriptor for signals can only be set in the main thread: that is not of interest.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signal, "set_wakeup_fd", lambda fd, **options: -1)
        thread.start()
        scheduler.receive()
        for step_id in range(2):
            scheduler.send(RunBatch(step_id, [], [], []))
        assert [scheduler.receive().step_id for _ in range(2)] == [0, 1]
        scheduler.send(Shutdown())
        thread.join(20)
    assert not thread.is_alive()
    assert runner.num_launched_before_first_answer == 2
    assert runner.num_spare_times >= 1


def test_no_start_has_the_name_of_another() -> None:
    assert fresh_identity() != fresh_identity()


def never(config: WorkerConfig, on_progress: OnProgress) -> LoadedModel:
    raise AssertionError("nothing should be loaded")


def test_endpoint_must_be_stated() -> None:
    with pytest.raises(ConfigError, match="--worker-endpoint"):
        serve(WorkerConfig(links=LinkSettings()), never)


@pytest.fixture
def worker(scheduler) -> Iterator[subprocess.Popen]:
    flags = ["--model-path", str(GOLDEN_MODEL), "--worker-endpoint", scheduler.channel.endpoint]
    flags += ["--kv-cache", "naive", "--num-blocks", "3", "--max-model-len", "128"]
    process = subprocess.Popen(
        [sys.executable, "-m", "forge_worker", *flags],
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if name != "FORGE_READY_FD"},
    )
    with process:
        yield process
        process.kill()


@pytest.mark.integration
def test_process_announces_itself_and_serves_until_shutdown(scheduler, worker) -> None:
    assert scheduler.receive() == WorkerReady(
        PROTOCOL_VERSION, 3, 128, 128, 96, worker.pid, MAX_DRAFT_TOKENS
    )
    part = ScheduledSequence(5, 0, 3, [2], True)
    scheduler.send(RunBatch(1, [], [new_sequence(5, [1, 2, 3])], [part]))
    output = scheduler.receive()
    assert isinstance(output, BatchOutput)
    assert len(output.sequences[0].token_ids) == 1
    scheduler.send(Shutdown())
    assert worker.wait(20) == 0


@pytest.mark.integration
def test_process_ends_with_zero_on_sigterm(scheduler, worker) -> None:
    scheduler.receive()
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(20) == 0


@pytest.mark.integration
def test_process_forgets_a_scheduler_that_is_gone_and_serves_the_next(scheduler, worker) -> None:
    """Its three rows are full when the first one goes: the next one finds them free."""
    endpoint = scheduler.channel.endpoint
    prompts = {number: [number, 2, 3] for number in range(1, 4)}
    parts = [ScheduledSequence(number, 0, 3, [number - 1], True) for number in prompts]
    new = [new_sequence(number, prompt) for number, prompt in prompts.items()]
    answers, names = [], []
    with zmq.Context() as context:
        for _ in range(3):
            first_word = scheduler.receive()
            assert isinstance(first_word, WorkerReady)
            assert first_word.process_id == worker.pid
            names.append(scheduler.worker)
            for step_id in range(2):  # the second is under way when this scheduler goes
                scheduler.send(RunBatch(step_id, list(prompts) if step_id else [], new, parts))
            answers.append(scheduler.receive().sequences)
            scheduler.channel.close()
            directory = Path(endpoint.removeprefix("ipc://")).parent
            scheduler = Scheduler(context, directory)
        assert isinstance(scheduler.receive(), WorkerReady)
        scheduler.send(Shutdown())
        assert worker.wait(20) == 0
        scheduler.channel.close()
    assert answers[0] == answers[1] == answers[2]
    assert len(set(names)) == 3


@pytest.mark.integration
def test_process_that_fails_says_why_on_one_line(scheduler, worker) -> None:
    scheduler.receive()
    scheduler.send(RunBatch(0, [], [], [ScheduledSequence(9, 0, 1, [0], True)]))
    assert worker.wait(20) == WorkerError.EXIT_CODE
    last = worker.stderr.read().decode().splitlines()[-1]
    assert last == "forge-worker: error: sequence 9 is scheduled but unknown"
