"""Who is started again, how soon and how often: by a clock of our own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from forge_common.supervisor.child import Child
from forge_common.supervisor.restarts import MAX_RESTARTS, WINDOW_S, RestartBudget, Restarts
from forge_common.supervisor.roles import Role

WORKER = Role("worker", 0, (), {}, is_restarted=True)
API = Role("api", 2, (), {})
KILLED = int(signal.SIGKILL)  # as a wait status
FAILED = 5 << 8


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def make_budget(clock: Clock, chance: float = 0.0) -> RestartBudget:
    return RestartBudget(clock, lambda: chance)


def test_delay_doubles() -> None:
    budget = make_budget(Clock())
    delays = [budget.take_delay_s() for _ in range(MAX_RESTARTS)]
    assert delays == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2])


def test_chance_lengthens_a_delay_by_half_of_it_at_most() -> None:
    assert make_budget(Clock(), 1.0).take_delay_s() == pytest.approx(0.3)
    assert make_budget(Clock(), 0.5).take_delay_s() == pytest.approx(0.25)


def test_budget_is_used_up_by_so_many_restarts_in_its_window() -> None:
    clock = Clock()
    budget = make_budget(clock)
    for _ in range(MAX_RESTARTS):
        assert not budget.is_used_up
        budget.take_delay_s()
        clock.now_s += 1
    assert budget.is_used_up


def test_old_restarts_are_forgotten_one_by_one() -> None:
    clock = Clock()
    budget = make_budget(clock)
    for _ in range(MAX_RESTARTS):
        budget.take_delay_s()
        clock.now_s += 60
    clock.now_s += WINDOW_S - MAX_RESTARTS * 60
    assert not budget.is_used_up
    assert budget.take_delay_s() == pytest.approx(3.2)
    assert budget.is_used_up


def test_delay_is_short_again_after_a_quiet_time() -> None:
    clock = Clock()
    budget = make_budget(clock)
    for _ in range(3):
        budget.take_delay_s()
    clock.now_s += WINDOW_S
    assert not budget.is_used_up
    assert budget.take_delay_s() == pytest.approx(0.2)


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def ended_child(
    loop: asyncio.AbstractEventLoop, role: Role, wait_status: int, *, is_ready: bool
) -> Child:
    async def make() -> Child:
        child = Child(role)
        child.is_ready = is_ready
        child.has_exited(wait_status)
        return child

    return loop.run_until_complete(make())


@pytest.mark.parametrize("wait_status", [KILLED, FAILED, 0])
def test_worker_that_was_ready_starts_again(
    loop: asyncio.AbstractEventLoop, wait_status: int
) -> None:
    child = ended_child(loop, WORKER, wait_status, is_ready=True)
    assert Restarts().is_due(child, is_draining=False)


def test_other_roles_do_not_start_again(loop: asyncio.AbstractEventLoop) -> None:
    assert not Restarts().is_due(ended_child(loop, API, KILLED, is_ready=True), is_draining=False)


@pytest.mark.parametrize("wait_status", [KILLED, FAILED, 0])
def test_first_start_that_fails_is_not_repeated(
    loop: asyncio.AbstractEventLoop, wait_status: int
) -> None:
    child = ended_child(loop, WORKER, wait_status, is_ready=False)
    assert not Restarts().is_due(child, is_draining=False)


def test_later_start_is_repeated_only_where_it_was_killed(loop: asyncio.AbstractEventLoop) -> None:
    restarts = Restarts()
    restarts.note_ready(WORKER)
    killed = ended_child(loop, WORKER, KILLED, is_ready=False)
    failed = ended_child(loop, WORKER, FAILED, is_ready=False)
    assert restarts.is_due(killed, is_draining=False)
    assert not restarts.is_due(failed, is_draining=False)


def test_worker_that_leaves_in_peace_is_not_called_back_while_all_end(
    loop: asyncio.AbstractEventLoop,
) -> None:
    left = ended_child(loop, WORKER, 0, is_ready=True)
    died = ended_child(loop, WORKER, KILLED, is_ready=True)
    assert not Restarts().is_due(left, is_draining=True)
    assert Restarts().is_due(died, is_draining=True)


def test_who_was_told_to_stop_does_not_start_again(loop: asyncio.AbstractEventLoop) -> None:
    restarts = Restarts()
    restarts.note_stop([WORKER])
    assert not restarts.is_due(ended_child(loop, WORKER, KILLED, is_ready=True), is_draining=True)
