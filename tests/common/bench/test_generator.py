"""Time is faked: it passes only while everybody sleeps, so every number here is exact."""

from __future__ import annotations

import asyncio
from itertools import islice
from math import inf

import pytest

from forge_common.bench.clock import Clock
from forge_common.bench.generator import Generator
from forge_common.bench.load import AllAtOnce, AnyLoad, Concurrent, Poisson, arrival_times
from forge_common.bench.progress import Progress
from forge_common.bench.records import Failure, Observation, RequestRecord
from forge_common.bench.request_body import PreparedRequest
from tests.common.bench.builders import failed, observation
from tests.common.bench.fake_loop import run_in_fake_time


class SlowServer:
    """Takes so long for each request; counts those under way."""

    def __init__(self, reply_s: float, failure: Failure | None = None) -> None:
        self.reply_s = reply_s
        self.failure = failure
        self.num_running = 0
        self.most_running = 0
        self.clock: Clock

    async def ask(self, request: PreparedRequest, due_s: float) -> Observation:
        sent_s = self.clock.now_s()
        self.num_running += 1
        self.most_running = max(self.most_running, self.num_running)
        await asyncio.sleep(self.reply_s)
        self.num_running -= 1
        end_s = self.clock.now_s()
        if self.failure is not None:
            kind, wait_s = self.failure.kind, self.failure.retry_after_s
            return failed(kind, due=due_s, end=end_s, retry_after_s=wait_s)
        return observation(end_s, due=due_s, sent=sent_s, index=request.index)


def drive(
    server: SlowServer,
    load: AnyLoad,
    num: int | None,
    until_s: float = inf,
    stop_after_s: float | None = None,
) -> list[RequestRecord]:
    async def body() -> list[RequestRecord]:
        loop = asyncio.get_running_loop()
        server.clock = Clock(loop)
        requests = (PreparedRequest(index, b"{}") for index in islice(range(10**6), num))
        generator = Generator(requests, server.ask, server.clock, Progress(num, None))
        stop = asyncio.Event()
        if stop_after_s is not None:
            loop.call_later(stop_after_s, stop.set)
        await generator.run(load, seed=5, until_s=until_s, stop=stop)
        return [each.record for each in generator.observations]

    records: list[RequestRecord] = run_in_fake_time(body(), grace_s=0.0)
    return records


def test_slow_replies_do_not_slow_arrivals() -> None:
    server = SlowServer(reply_s=1000.0)
    records = drive(server, Poisson(10.0), 50)
    due = list(islice(arrival_times(Poisson(10.0), 5), 50))
    assert [record.intended_s for record in records] == due
    assert [record.sent_s for record in records] == pytest.approx(due, abs=1e-6)
    assert server.most_running == 50


def test_all_at_once_is_sent_at_once() -> None:
    server = SlowServer(reply_s=3.0)
    records = drive(server, AllAtOnce(), 20)
    assert {record.e2e_s for record in records} == {3.0}
    assert server.most_running == 20


def test_so_many_users_have_so_many_requests_under_way() -> None:
    server = SlowServer(reply_s=2.0)
    records = drive(server, Concurrent(4), 10)
    assert server.most_running == 4
    assert len(records) == 10
    assert max(record.end_s for record in records) == 6.0


def test_users_begin_through_the_ramp() -> None:
    records = drive(SlowServer(reply_s=100.0), Concurrent(4, ramp_s=8.0), 4)
    assert [record.sent_s for record in records] == pytest.approx([0, 2, 4, 6])


def test_nothing_begins_behind_the_duration_and_what_runs_ends() -> None:
    records = drive(SlowServer(reply_s=7.0), Poisson(5.0), None, until_s=10.0)
    assert len(records) == sum(at < 10 for at in islice(arrival_times(Poisson(5.0), 5), 200))
    assert max(record.end_s for record in records) > 10.0
    assert drive(SlowServer(4.0), Concurrent(1), None, until_s=10.0)[-1].end_s == 12.0


def test_user_waits_as_the_server_asks() -> None:
    server = SlowServer(0.0, Failure("HTTP 429", retry_after_s=5.0))
    assert [record.intended_s for record in drive(server, Concurrent(1), 3)] == [0.0, 5.0, 10.0]


def test_user_of_a_dead_server_does_not_spin() -> None:
    server = SlowServer(0.0, Failure("connection refused"))
    assert len(drive(server, Concurrent(1), None, until_s=1.0)) <= 11


def test_stop_gives_up_what_is_under_way_and_keeps_what_ended() -> None:
    records = drive(SlowServer(reply_s=4.0), Concurrent(2), None, stop_after_s=10.0)
    assert len(records) == 4
    assert max(record.end_s for record in records) == 8.0


def test_a_fault_of_our_own_is_raised() -> None:
    class Broken(SlowServer):
        async def ask(self, request: PreparedRequest, due_s: float) -> Observation:
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup):
        drive(Broken(0.0), Concurrent(1), 1)
