"""When the scheduler is lost, and when it is only not there yet."""

from __future__ import annotations

import pytest
from zmq import EVENT_DISCONNECTED, EVENT_HANDSHAKE_FAILED_AUTH, EVENT_HANDSHAKE_SUCCEEDED

from forge_worker.scheduler_connection import (
    SchedulerConnection,
    SchedulerGone,
    SchedulerRefuses,
)


def connection_after(*events: int, is_supervised: bool = False) -> SchedulerConnection:
    connection = SchedulerConnection("ipc://s", is_supervised=is_supervised)
    for event in events:
        connection.on_event(event)
    return connection


@pytest.mark.parametrize("is_supervised", [False, True])
def test_scheduler_that_goes_is_lost(is_supervised: bool) -> None:
    events = (EVENT_HANDSHAKE_SUCCEEDED, EVENT_DISCONNECTED)
    connection = connection_after(*events, is_supervised=is_supervised)
    assert isinstance(connection.loss, SchedulerGone)
    assert str(connection.loss) == "the connection to the scheduler at ipc://s is lost"


def test_one_that_comes_back_is_another() -> None:
    events = (EVENT_HANDSHAKE_SUCCEEDED, EVENT_DISCONNECTED, EVENT_HANDSHAKE_SUCCEEDED)
    assert connection_after(*events).loss is not None


def test_one_that_was_never_there_is_waited_for() -> None:
    assert connection_after(EVENT_DISCONNECTED, EVENT_DISCONNECTED).loss is None
    assert connection_after(EVENT_DISCONNECTED, EVENT_HANDSHAKE_SUCCEEDED).loss is None


@pytest.mark.parametrize("is_supervised", [False, True])
def test_refusal_is_final(is_supervised: bool) -> None:
    connection = connection_after(EVENT_HANDSHAKE_FAILED_AUTH, is_supervised=is_supervised)
    assert isinstance(connection.loss, SchedulerRefuses)
    assert "refuses this worker" in str(connection.loss)


@pytest.mark.parametrize("is_supervised", [False, True])
def test_whom_it_waits_for_is_told_once_by_one_alone(
    is_supervised: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    connection_after(EVENT_DISCONNECTED, EVENT_DISCONNECTED, is_supervised=is_supervised)
    expected = [] if is_supervised else ["waiting for the scheduler at ipc://s"]
    assert [record.getMessage() for record in caplog.records] == expected
