"""Service without sockets: what each message brings about, and what bad peers cannot."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import msgspec
import pytest
from msgspec import Struct

from forge_common.config import CacheSettings, QueueSettings, SchedulerConfig
from forge_common.protocol.api_scheduler import (
    Accepted,
    GetStats,
    Hello,
    KeepAlive,
    Outputs,
    Rejected,
)
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import WorkerReady
from forge_common.sampling import FinishReason
from forge_common.transport import PeerGone, PeerSlow, Undecodable
from forge_scheduler.outbox import Outbox
from forge_scheduler.pulse import GRACE_S, Pulse
from forge_scheduler.service import Service
from forge_scheduler.worker_seat import Worker
from tests.builders import make_submit
from tests.scheduler.fakes import FakeWorker

CLIENT, WORKER = b"client", b"worker"


class Desk:
    """A service with a worker at hand, and the letter boxes of its clients."""

    def __init__(self, *, is_ready: bool = True, **groups: Any) -> None:
        self.received: dict[bytes, list[Struct]] = defaultdict(list)
        self.failures: dict[bytes, Exception] = {}
        self.is_stopping = False
        self.dismissed: list[Worker] = []
        outbox = Outbox(self._deliver, max_held_messages=2)
        self.now_s = 100.0
        self.pulse = Pulse(interval_s=1.0, clock=lambda: self.now_s)
        self.service = Service(
            SchedulerConfig(**groups),
            outbox,
            lambda: self.is_stopping,
            self.pulse,
            self.dismissed.append,
        )
        self.worker = FakeWorker(num_blocks=32, block_size=4)
        if is_ready:
            self.service.worker_desk.on_message(WORKER, make_ready())

    def ask(self, message: Any, client: bytes = CLIENT) -> list[Struct]:
        """Everything the client has received once its message is handled."""
        self.service.on_client_message(client, message)
        return self.received[client]

    def step(self) -> None:
        step = self.service.worker_desk.next_step()
        assert step is not None
        self.service.worker_desk.on_message(WORKER, self.worker.run(step))
        self.service.send_news()

    def after(self, seconds: float) -> list[Struct]:
        """What the client hears in that time, of a server that has nothing to tell it."""
        num_known = len(self.received[CLIENT])
        self.now_s += seconds
        self.service.keep_alive()
        return self.received[CLIENT][num_known:]

    def _deliver(self, peer: bytes, message: Struct) -> None:
        if peer in self.failures:
            raise self.failures[peer]
        self.received[peer].append(message)


def make_ready(**changes: int) -> WorkerReady:
    sizes = {"num_blocks": 32, "block_size": 4, "max_model_len": 100, "vocab_size": 100}
    rest = {"protocol_version": PROTOCOL_VERSION, "process_id": 1}
    return WorkerReady(**{**rest, **sizes, **changes})


def stats_of(desk: Desk) -> Any:
    return desk.ask(GetStats(), b"observer")[-1]


def test_outputs_of_a_step_are_one_message_a_client() -> None:
    desk = Desk()
    desk.ask(make_submit("a"))
    desk.ask(make_submit("b"))
    desk.step()
    [outputs] = [message for message in desk.received[CLIENT] if isinstance(message, Outputs)]
    assert [output.request_id for output in outputs.outputs] == ["a", "b"]


def test_accepted_comes_before_any_output() -> None:
    desk = Desk()
    assert desk.ask(make_submit("a")) == [Accepted("a")]


def test_request_that_cannot_be_read_counts_as_rejected() -> None:
    desk = Desk()
    [rejected] = desk.ask(Undecodable("why", msgspec.msgpack.encode(["Submit", "a", 0])))
    assert rejected == Rejected("a", "why", code="malformed_request")
    assert stats_of(desk).rejected_total == 1


def test_full_queue_says_when_to_come_back() -> None:
    desk = Desk(queue=QueueSettings(max_queued_requests=1))
    desk.ask(make_submit("a"))
    rejected = desk.ask(make_submit("b"))[-1]
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.retry_after_s) == ("queue_full", 1.0)


def test_stats_before_a_worker_came_say_so() -> None:
    assert not stats_of(Desk(is_ready=False)).is_worker_ready
    assert stats_of(Desk()).is_worker_ready


def test_every_early_hello_is_answered() -> None:
    desk = Desk(is_ready=False)
    desk.ask(Hello(PROTOCOL_VERSION), b"one")
    desk.ask(Hello(PROTOCOL_VERSION), b"two")
    desk.service.worker_desk.on_message(WORKER, make_ready())
    assert len(desk.received[b"one"]) == len(desk.received[b"two"]) == 1


def test_client_that_left_loses_its_requests_only() -> None:
    desk = Desk()
    desk.ask(make_submit())
    desk.ask(make_submit(), b"gone")
    desk.failures[b"gone"] = PeerGone("gone")
    desk.step()
    assert stats_of(desk).num_running == 1


def test_client_that_waits_in_silence_hears_something_now_and_then() -> None:
    desk = Desk()
    desk.ask(make_submit())
    assert desk.after(1.0) == []
    assert [desk.after(0.5) for _ in range(4)] == [[], [KeepAlive()], [], [KeepAlive()]]


def test_client_that_hears_of_its_requests_hears_nothing_else() -> None:
    desk = Desk()
    desk.ask(make_submit())
    for _ in range(3):
        desk.step()
        assert desk.after(1.0) == []


def test_client_that_left_while_it_waits_loses_its_requests() -> None:
    desk = Desk()
    desk.ask(make_submit())
    desk.after(1.0)
    desk.failures[CLIENT] = PeerGone("gone")
    desk.after(1.0)
    assert (stats_of(desk).num_waiting, stats_of(desk).num_free_blocks) == (0, 32)


def test_lost_connection_shows_soon_who_left() -> None:
    desk = Desk()
    desk.service.keep_alive()
    desk.ask(make_submit())
    desk.failures[CLIENT] = PeerGone("gone")
    desk.service.on_lost_connection()
    desk.after(GRACE_S)
    assert stats_of(desk).num_waiting == 0


def test_service_wakes_up_only_while_somebody_is_served() -> None:
    desk = Desk()
    assert desk.service.remaining_s is None
    desk.service.keep_alive()
    desk.ask(make_submit(max_tokens=1))
    assert desk.service.remaining_s == 1.0
    desk.step()
    assert desk.service.remaining_s is None


def test_client_that_reads_in_time_loses_nothing() -> None:
    desk = Desk()
    desk.ask(make_submit(max_tokens=4))
    desk.failures[CLIENT] = PeerSlow("full")
    desk.step()
    desk.step()
    del desk.failures[CLIENT]
    desk.step()
    desk.step()
    outputs = desk.received[CLIENT][1:]
    assert sum(len(message.outputs[0].token_ids) for message in outputs) == 4


def test_client_that_never_reads_is_aborted_and_told_so_at_last() -> None:
    desk = Desk()
    desk.ask(make_submit(max_tokens=20))
    desk.failures[CLIENT] = PeerSlow("full")
    for _ in range(3):
        desk.step()
    assert (stats_of(desk).num_running, stats_of(desk).slow_clients_total) == (0, 1)
    del desk.failures[CLIENT]
    desk.service.send_news()
    [output] = desk.received[CLIENT][-1].outputs
    assert (output.finish_reason, output.error is not None) == (FinishReason.ABORT, True)


def test_slow_client_without_requests_is_only_forgotten() -> None:
    desk = Desk()
    desk.failures[CLIENT] = PeerSlow("full")
    for _ in range(4):
        desk.ask(Undecodable("nonsense"))
    assert stats_of(desk).slow_clients_total == 0


def test_service_is_finished_when_nothing_runs_and_nothing_is_held() -> None:
    desk = Desk()
    assert desk.service.is_finished
    desk.ask(make_submit(max_tokens=1))
    assert not desk.service.is_finished
    desk.step()
    assert desk.service.is_finished


def test_worker_that_is_lost_is_dismissed_and_its_requests_wait() -> None:
    desk = Desk()
    desk.ask(make_submit())
    desk.step()
    desk.service.worker_desk.on_lost_connection()
    assert [worker.peer for worker in desk.dismissed] == [WORKER]
    assert (stats_of(desk).num_waiting, stats_of(desk).is_worker_ready) == (1, False)
    assert desk.after(1.0) == []
    assert desk.after(1.0) == [KeepAlive()]


def test_queue_keeps_its_bounds_while_there_is_no_worker() -> None:
    desk = Desk(queue=QueueSettings(max_queued_requests=2))
    desk.ask(make_submit("a"))
    desk.step()
    desk.service.worker_desk.on_lost_connection()
    assert desk.ask(make_submit("b"))[-1] == Accepted("b")
    assert desk.ask(make_submit("c"))[-1].code == "queue_full"


def test_client_that_leaves_while_there_is_no_worker_loses_its_requests() -> None:
    desk = Desk()
    desk.ask(make_submit())
    desk.step()
    desk.service.worker_desk.on_lost_connection()
    desk.failures[CLIENT] = PeerGone("gone")
    desk.after(1.0)
    desk.after(1.0)
    assert stats_of(desk).num_waiting == 0


@pytest.mark.parametrize(
    "cache",
    [CacheSettings(kv_cache="naive"), CacheSettings(prefix_caching=False)],
    ids=["naive", "without prefix caching"],
)
def test_no_prefix_is_shared_where_the_settings_say_so(cache: CacheSettings) -> None:
    desk = Desk(cache=cache)
    desk.ask(make_submit("a", 9, max_tokens=1))
    desk.step()
    desk.ask(make_submit("b", 9, max_tokens=1))
    desk.step()
    assert stats_of(desk).prefix_hits_total == 0
