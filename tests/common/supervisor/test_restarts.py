"""Who is started again, how soon and how often: by a clock of our own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from forge_common.supervisor.child import Child
from forge_common.supervisor.restarts import SOON_S, RestartBudget, Restarts
from forge_common.supervisor.roles import Role

WORKER = Role("worker", 0, (), {}, is_restarted=True)
API = Role("api", 2, (), {})
MAX_RESTARTS, WINDOW_S = 5, 600.0
KILLED = int(signal.SIGKILL)  # as a wait status
FAILED = 5 << 8


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def make_budget(clock: Clock, chance: float = 0.0) -> RestartBudget:
    return RestartBudget(MAX_RESTARTS, WINDOW_S, clock, lambda: chance)


def make_restarts() -> Restarts:
    return Restarts(lambda: make_budget(Clock()))


def test_delay_doubles_where_one_follows_soon_upon_the_other() -> None:
    budget = make_budget(Clock())
    delays = [budget.take_delay_s() for _ in range(MAX_RESTARTS)]
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6])


def test_chance_lengthens_a_delay_by_half_of_it_at_most() -> None:
    assert make_budget(Clock(), 1.0).take_delay_s() == pytest.approx(0.15)
    assert make_budget(Clock(), 0.5).take_delay_s() == pytest.approx(0.125)


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
    budget.take_delay_s()
    assert budget.is_used_up


def test_delay_is_short_again_after_a_quiet_time() -> None:
    clock = Clock()
    budget = make_budget(clock)
    for _ in range(3):
        budget.take_delay_s()
    clock.now_s += SOON_S + 1
    assert not budget.is_used_up
    assert budget.take_delay_s() == pytest.approx(0.1)


def test_time_that_was_waited_is_no_quiet_time() -> None:
    clock = Clock()
    budget = make_budget(clock)
    for _ in range(4):
        delay_s = budget.take_delay_s()
        clock.now_s += delay_s + SOON_S - 0.1
    assert budget.take_delay_s() == pytest.approx(1.6)


def test_budget_says_how_large_it_is() -> None:
    assert str(make_budget(Clock())) == "5 times within 10 minutes"


def test_each_role_has_a_budget_of_its_own() -> None:
    restarts = make_restarts()
    for _ in range(MAX_RESTARTS):
        restarts.budget_of(WORKER).take_delay_s()
    assert restarts.budget_of(WORKER).is_used_up
    assert not restarts.budget_of(API).is_used_up


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
    assert make_restarts().is_due(child, is_draining=False)


def test_other_roles_do_not_start_again(loop: asyncio.AbstractEventLoop) -> None:
    assert not make_restarts().is_due(
        ended_child(loop, API, KILLED, is_ready=True), is_draining=False
    )


@pytest.mark.parametrize("wait_status", [KILLED, FAILED, 0])
def test_first_start_that_fails_is_not_repeated(
    loop: asyncio.AbstractEventLoop, wait_status: int
) -> None:
    child = ended_child(loop, WORKER, wait_status, is_ready=False)
    assert not make_restarts().is_due(child, is_draining=False)


def test_later_start_is_repeated_only_where_it_was_killed(loop: asyncio.AbstractEventLoop) -> None:
    restarts = make_restarts()
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
    assert not make_restarts().is_due(left, is_draining=True)
    assert make_restarts().is_due(died, is_draining=True)


def test_who_was_told_to_stop_does_not_start_again(loop: asyncio.AbstractEventLoop) -> None:
    restarts = make_restarts()
    restarts.note_stop([WORKER])
    assert not restarts.is_due(ended_child(loop, WORKER, KILLED, is_ready=True), is_draining=True)
