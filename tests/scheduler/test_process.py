"""The loop over real sockets: few tests, one for each thing only sockets can show."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import zmq

from forge_common import beats
from forge_common.errors import LinkError
from forge_common.protocol.api_scheduler import (
    Abort,
    Accepted,
    GetStats,
    Hello,
    KeepAlive,
    Malformed,
    Outputs,
    Rejected,
    SchedulerReady,
    SchedulerStats,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import RunBatch, Shutdown, WorkerFailed
from forge_common.readiness import READY_FD_VARIABLE
from forge_common.sampling import FinishReason
from tests.builders import make_submit
from tests.scheduler.served import BatchSettings, Served, serving


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with serving(tmp_path) as served:
        yield served


@pytest.fixture
def ready(served: Served) -> Served:
    served.client.send(Hello(PROTOCOL_VERSION))
    served.worker.report_ready()
    served.client.expect(SchedulerReady)
    return served


def test_hello_is_answered_once_the_worker_is_ready(served: Served) -> None:
    served.client.send(Hello(PROTOCOL_VERSION))
    assert not served.client.channel.wait(0.05)
    served.worker.report_ready()
    assert served.client.expect(SchedulerReady).max_model_len == 100


def test_request_runs_from_submit_to_its_last_token(ready: Served) -> None:
    ready.client.send(make_submit(max_tokens=5))
    ready.client.expect(Accepted)
    token_ids, finish_reason = ready.run_to_end(ready.client)
    assert len(token_ids) == 5
    assert finish_reason is FinishReason.LENGTH


def test_two_clients_may_use_the_same_request_id(ready: Served) -> None:
    other = ready.connect(b"other")
    ready.client.send(make_submit(max_tokens=2))
    ready.client.expect(Accepted)
    other.send(make_submit(max_tokens=3))
    other.expect(Accepted)
    assert len(ready.run_to_end(other)[0]) == 3


def test_submit_before_the_worker_is_ready_is_refused(served: Served) -> None:
    served.client.send(make_submit())
    assert served.client.expect(Rejected).code == "starting"


def test_bad_request_is_rejected_and_the_next_one_served(ready: Served) -> None:
    ready.client.send(make_submit(prompt=[100]))
    assert ready.client.expect(Rejected).param == "prompt"
    ready.client.send(make_submit())
    ready.client.expect(Accepted)


def test_bytes_that_are_no_message_are_named_malformed(ready: Served) -> None:
    ready.client.channel.socket.send(b"\xc1 nonsense")
    ready.client.expect(Malformed)
    ready.client.send(GetStats())
    ready.client.expect(SchedulerStats)


def test_request_that_is_malformed_is_rejected_by_its_name(ready: Served) -> None:
    frame = msgspec.msgpack.encode(["Submit", "mine", [1, 2], {"temperature": 1}])
    ready.client.channel.socket.send(frame)
    rejected = ready.client.expect(Rejected)
    assert (rejected.request_id, rejected.code) == ("mine", "malformed_request")


def test_abort_ends_a_request_and_frees_its_blocks(ready: Served) -> None:
    ready.client.send(make_submit(max_tokens=50))
    ready.client.expect(Accepted)
    ready.client.send(Abort("r"))
    [output] = ready.client.expect(Outputs).outputs
    assert output.finish_reason is FinishReason.ABORT
    ready.client.send(GetStats())
    assert ready.client.expect(SchedulerStats).num_free_blocks == 32


def test_requests_of_a_client_that_left_are_aborted(ready: Served) -> None:
    gone = ready.connect(b"gone")
    gone.send(make_submit(max_tokens=50))
    gone.expect(Accepted)
    gone.channel.close()
    while ready.worker.channel.wait(0.2):
        ready.worker.answer()
    ready.expect_stats(lambda stats: stats.num_running == 0)


def test_requests_of_a_client_that_left_before_their_first_step_was_answered(
    ready: Served,
) -> None:
    gone = ready.connect(b"gone")
    gone.send(make_submit(max_tokens=50))
    gone.expect(Accepted)
    gone.channel.close()
    ready.expect_stats(lambda stats: stats.num_free_blocks == 32)


def test_client_that_waits_is_told_so_and_idle_ones_are_not(tmp_path: Path) -> None:
    with serving(tmp_path, keep_alive_s=0.02) as served:
        served.worker.report_ready()
        served.client.send(Hello(PROTOCOL_VERSION))
        served.client.expect(SchedulerReady)
        assert not served.client.channel.wait(0.1)
        served.client.send(make_submit())
        served.client.expect(Accepted)
        for _ in range(2):
            served.client.expect(KeepAlive)


def test_client_that_never_reads_delays_nobody(ready: Served) -> None:
    with zmq.Context() as context, context.socket(zmq.DEALER) as deaf:
        deaf.rcvhwm, deaf.linger = 4096, 0  # as of a process that stands still
        deaf.connect(ready.process.endpoints.client)
        deaf.send(msgspec.msgpack.encode(make_submit(max_tokens=50)))
        for _ in range(12_000):  # more answers than both ends queue for it
            deaf.send(msgspec.msgpack.encode(GetStats()))
        slow_clients, deadline_s = 0, time.monotonic() + 5
        while slow_clients == 0 and time.monotonic() < deadline_s:
            ready.client.send(GetStats())
            slow_clients = ready.client.expect(SchedulerStats).slow_clients_total
        assert slow_clients == 1


def test_client_of_another_version_is_told_so(ready: Served) -> None:
    ready.client.send(Hello(PROTOCOL_VERSION + 1))
    assert "protocol_version" in ready.client.expect(Malformed).reason


def test_worker_of_another_version_ends_the_process(served: Served) -> None:
    served.worker.report_ready(PROTOCOL_VERSION + 1)
    served.finish()
    assert isinstance(served.error, LinkError)


def test_request_goes_on_with_the_next_worker(ready: Served) -> None:
    ready.client.send(make_submit(max_tokens=9))
    ready.client.expect(Accepted)
    ready.worker.answer()
    ready.worker.answer()
    ready.replace_worker()
    token_ids, finish_reason = ready.run_to_end(ready.client)
    assert (len(token_ids), finish_reason) == (9, FinishReason.LENGTH)


def test_failed_worker_is_dismissed_and_its_reason_is_known(ready: Served) -> None:
    ready.worker.send(WorkerFailed("out of memory"))
    ready.worker.expect(Shutdown)
    ready.expect_stats(lambda stats: not stats.is_worker_ready)
    ready.expect_stats(lambda stats: stats.worker_loss == "the worker failed: out of memory")


def test_request_that_comes_while_there_is_no_worker_waits_for_one(ready: Served) -> None:
    ready.worker.channel.close()
    ready.expect_stats(lambda stats: not stats.is_worker_ready)
    ready.client.send(make_submit(max_tokens=3))
    ready.client.expect(Accepted)
    ready.replace_worker()
    assert len(ready.run_to_end(ready.client)[0]) == 3


def test_worker_that_was_lost_while_idle_is_noticed_and_replaced(ready: Served) -> None:
    for _ in range(3):
        ready.worker.channel.close()
        ready.expect_stats(lambda stats: not stats.is_worker_ready)
        ready.replace_worker()
        ready.expect_stats(lambda stats: stats.is_worker_ready)
    ready.expect_stats(lambda stats: stats.worker_restarts_total["gone"] == 3)


def test_next_worker_may_come_before_the_last_one_is_known_to_be_gone(ready: Served) -> None:
    second = ready.make_worker(b"second")
    second.report_ready()
    ready.client.send(make_submit(max_tokens=3))
    ready.client.expect(Accepted)
    ready.worker.answer()
    ready.worker.channel.close()
    ready.worker = second
    assert len(ready.run_to_end(ready.client)[0]) == 3


def test_launcher_is_told_which_worker_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    monkeypatch.setenv(READY_FD_VARIABLE, str(writer))
    with os.fdopen(reader, "rb") as reports, serving(tmp_path) as served:
        served.worker.report_ready()
        served.expect_stats(lambda stats: stats.is_worker_ready)
        served.worker.channel.close()
        told = (line for line in reports if b"Alive" not in line)
        assert next(told) == b'{"type":"PeerLost","process_id":1}\n'
        os.close(writer)


def test_stop_waits_for_the_next_worker_while_something_runs(ready: Served) -> None:
    ready.client.send(make_submit(max_tokens=4))
    ready.client.expect(Accepted)
    ready.worker.answer()
    ready.stop_requests.ask()
    ready.replace_worker()
    assert ready.run_to_end(ready.client)[1] is FinishReason.LENGTH


def test_stop_ends_at_once_where_nothing_runs_and_there_is_no_worker(ready: Served) -> None:
    ready.worker.channel.close()
    ready.expect_stats(lambda stats: not stats.is_worker_ready)
    ready.stop_requests.ask()
    ready.finish()
    assert ready.error is None


def test_stop_lets_requests_finish_and_refuses_new_ones(ready: Served) -> None:
    ready.client.send(make_submit(max_tokens=4))
    ready.client.expect(Accepted)
    ready.stop_requests.ask()
    ready.client.send(make_submit("late"))
    assert ready.client.expect(Rejected).code == "shutting_down"
    assert ready.run_to_end(ready.client)[1] is FinishReason.LENGTH
    while isinstance(message := ready.worker.expect(object), RunBatch):
        ready.worker.send(ready.worker.fake.run(message))
    assert isinstance(message, Shutdown)
    ready.finish()


def test_second_stop_ends_at_once(ready: Served) -> None:
    ready.client.send(make_submit(max_tokens=50))
    ready.client.expect(Accepted)
    ready.stop_requests.ask()
    ready.stop_requests.ask()
    [output] = ready.client.expect(Outputs).outputs
    assert output.finish_reason is FinishReason.ABORT
    ready.finish()


def test_idle_process_uses_no_cpu(ready: Served) -> None:
    started_s = time.process_time()
    time.sleep(0.2)
    assert time.process_time() - started_s < 0.02


def test_worker_that_hangs_in_a_step_is_told_and_replaced(tmp_path: Path) -> None:
    """Its connection is there all the while, and nobody else has anything to say."""
    with serving(tmp_path, batch=BatchSettings(step_timeout_s=0.2)) as served:
        served.worker.report_ready()
        served.client.send(make_submit(max_tokens=3))
        served.client.expect(Accepted)
        for word in (RunBatch, RunBatch, Shutdown):
            served.worker.expect(word)
        served.replace_worker()
        assert len(served.run_to_end(served.client)[0]) == 3
        served.expect_stats(lambda stats: stats.worker_restarts_total["hung"] == 1)


def test_supervised_process_beats_and_binds_anew_what_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "INTERVAL_S", 0.02)
    reader, writer = os.pipe()
    monkeypatch.setenv(READY_FD_VARIABLE, str(writer))
    with os.fdopen(reader, "rb") as reports, serving(tmp_path) as served:
        assert [reports.readline() for _ in range(3)] == [b'{"type":"Alive"}\n'] * 3
        served.worker.report_ready()
        served.client.send(Hello(PROTOCOL_VERSION))
        served.client.expect(SchedulerReady)
        for name in ("clients", "worker"):
            (tmp_path / name).unlink()
        served.client.send(make_submit(max_tokens=4))
        served.client.expect(Accepted)
        served.replace_worker()
        assert len(served.run_to_end(served.client)[0]) == 4
        late = served.connect(b"late")
        late.send(GetStats())
        late.expect(SchedulerStats)
        os.close(writer)
