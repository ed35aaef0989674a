from __future__ import annotations

import os
import select
import signal
from collections.abc import Iterator

import pytest

from forge_scheduler.stop_requests import StopRequests


@pytest.fixture
def own_signals() -> Iterator[None]:
    """Gives the test runner its handlers back."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    handlers = [signal.getsignal(number) for number in numbers]
    yield
    signal.set_wakeup_fd(-1)
    for number, handler in zip(numbers, handlers, strict=True):
        signal.signal(number, handler)


def test_nobody_asked() -> None:
    requests = StopRequests()
    assert requests.count() == 0
    requests.close()


def test_asking_wakes_a_poll_and_is_counted() -> None:
    requests = StopRequests()
    requests.ask()
    requests.ask()
    assert select.select([requests], [], [], 1.0)[0] == [requests]
    assert requests.count() == 2
    assert requests.count() == 2
    requests.close()


@pytest.mark.usefixtures("own_signals")
def test_a_signal_after_the_end_is_quiet(capfd: pytest.CaptureFixture[str]) -> None:
    StopRequests.from_signals().close()
    os.kill(os.getpid(), signal.SIGTERM)
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("own_signals")
def test_sigterm_and_sigint_are_requests() -> None:
    requests = StopRequests.from_signals()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGINT)
    assert select.select([requests], [], [], 1.0)[0]
    assert requests.count() == 2
    requests.close()
