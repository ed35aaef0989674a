"""One sentence and one exit code for whatever ended a deployment."""

from __future__ import annotations

import asyncio
import signal

import pytest

from forge_common.supervisor.child import Child
from forge_common.supervisor.outcome import Failure, Outcome, cause_of, how_it_ended, outcome_of
from forge_common.supervisor.roles import Role


def ended(name: str, wait_status: int, message: str | None = None) -> Child:
    async def make() -> Child:
        child = Child(Role(name, 0, (), {}))
        child.failure_message = message
        child.has_exited(wait_status)
        return child

    return asyncio.run(make())


@pytest.mark.parametrize(
    ("wait_status", "message", "told"),
    [
        (3 << 8, "no such model", "no such model"),
        (3 << 8, None, "ended unexpectedly with exit code 3"),
        (signal.SIGKILL, None, "was killed by SIGKILL"),
        (0, None, "ended unexpectedly with exit code 0"),
    ],
)
def test_how_it_ended(wait_status: int, message: str | None, told: str) -> None:
    assert how_it_ended(ended("worker", wait_status, message)) == told


@pytest.mark.parametrize(("wait_status", "code"), [(3 << 8, 3), (signal.SIGSEGV, 139), (0, 1)])
def test_deployment_ends_with_the_code_of_its_child_but_never_with_zero(
    wait_status: int, code: int
) -> None:
    outcome = outcome_of(Failure(ended("worker", wait_status, "why")))
    assert outcome == Outcome(code, "worker: why")


def test_stated_reason_and_code_go_before_the_childs_own() -> None:
    failure = Failure(ended("worker", 3 << 8, "why"), "was not ready", 1)
    assert outcome_of(failure) == Outcome(1, "worker: was not ready")


def test_death_goes_before_those_who_only_felt_it() -> None:
    felt, died = Failure(ended("api", 4 << 8)), Failure(ended("worker", signal.SIGKILL))
    assert cause_of([felt, died]) == died
    assert cause_of([felt]) == felt
