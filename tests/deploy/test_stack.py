"""The stack of deploy/compose.yaml, run for real; left out where there is no engine or no image."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from tests.deploy.stack import IMAGE, ROLES, Stack, docker, why_not_here

pytestmark = pytest.mark.integration

MAX_IMAGE_BYTES = 300_000_000


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    reason = why_not_here()
    if reason is not None:
        pytest.skip(reason)
    with Stack() as stack:
        yield stack


def tell(stack: Stack) -> str:
    asked = {"prompt": "Hello", "max_tokens": 8, "temperature": 0}
    return str(stack.fetch("/v1/completions", **asked)["choices"][0]["text"])


def test_stack_comes_up_healthy_and_answers(stack: Stack) -> None:
    assert stack.fetch("/readyz")["status"] == "ok"
    assert tell(stack)


@pytest.mark.parametrize("role", ROLES)
def test_container_can_write_nothing_it_need_not(stack: Stack, role: str) -> None:
    found = stack.inspect(role)
    assert found["HostConfig"]["ReadonlyRootfs"] is True
    assert found["HostConfig"]["Memory"] > 0
    program = "import os; print(os.getuid()); open('/etc/x', 'w')"
    done = stack.compose("exec", "-T", role, "python", "-c", program)
    assert done.stdout.strip() == "10001"
    assert "Read-only file system" in done.stderr


def test_container_has_only_the_keys_of_its_role(stack: Stack) -> None:
    program = "import os; print(*sorted(os.listdir('/keys')))"
    done = stack.compose("exec", "-T", "worker", "python", "-c", program)
    assert done.stdout.split() == ["server.key", "worker.key_secret"]


def test_image_has_no_shell(stack: Stack) -> None:
    assert stack.compose("exec", "-T", "api", "sh", "-c", "true").returncode != 0


def test_image_is_small(stack: Stack) -> None:
    said = docker("image", "inspect", "--format", "{{.Size}}", IMAGE)
    assert int(said.stdout) < MAX_IMAGE_BYTES


def test_worker_that_is_killed_comes_back_and_says_the_same(stack: Stack) -> None:
    before = tell(stack)
    os.kill(stack.inspect("worker")["State"]["Pid"], signal.SIGKILL)
    stack.wait_until_ready(timeout_s=60)
    assert tell(stack) == before


def test_stopped_stack_has_ended_in_peace(stack: Stack) -> None:
    """The last test of the module."""
    stack.compose("stop", timeout_s=90)
    assert {role: stack.inspect(role)["State"]["ExitCode"] for role in ROLES} == dict.fromkeys(
        ROLES, 0
    )
