"""When the worker's connection is lost, and when it only looks so."""

from __future__ import annotations

import pytest
from zmq import EVENT_ACCEPTED, EVENT_DISCONNECTED

from forge_scheduler.worker_connection import WorkerConnection


@pytest.fixture
def connection() -> WorkerConnection:
    """The worker came in as 7, after a stranger who has left."""
    connection = WorkerConnection()
    connection.on_event(EVENT_ACCEPTED, 5)
    connection.on_event(EVENT_DISCONNECTED, 5)
    assert not connection.is_lost
    connection.on_event(EVENT_ACCEPTED, 7)
    connection.watch(b"worker")
    return connection


def test_disconnected_worker_is_lost(connection: WorkerConnection) -> None:
    assert not connection.is_lost
    connection.on_event(EVENT_DISCONNECTED, 7)
    assert connection.is_lost


def test_strangers_come_and_go(connection: WorkerConnection) -> None:
    connection.on_event(EVENT_ACCEPTED, 8)
    connection.on_event(EVENT_DISCONNECTED, 8)
    assert not connection.is_lost


def test_worker_that_comes_back_is_not_the_one_that_was_lost(connection: WorkerConnection) -> None:
    connection.on_event(EVENT_ACCEPTED, 8)
    connection.on_event(EVENT_DISCONNECTED, 7)
    assert connection.is_lost


def test_stranger_who_was_there_before_delays_the_news() -> None:
    connection = WorkerConnection()
    connection.on_event(EVENT_ACCEPTED, 5)
    connection.on_event(EVENT_ACCEPTED, 7)
    connection.watch(b"worker")
    connection.on_event(EVENT_DISCONNECTED, 7)
    assert not connection.is_lost
    connection.on_event(EVENT_DISCONNECTED, 5)
    assert connection.is_lost


def test_worker_that_left_while_it_introduced_itself_is_lost() -> None:
    connection = WorkerConnection()
    connection.on_event(EVENT_ACCEPTED, 7)
    connection.on_event(EVENT_DISCONNECTED, 7)
    connection.watch(b"worker")
    assert connection.is_lost


def test_nobody_is_lost_while_nobody_is_watched(connection: WorkerConnection) -> None:
    connection.on_event(EVENT_DISCONNECTED, 7)
    connection.watch(None)
    assert not connection.is_lost


def test_next_worker_is_another_connection(connection: WorkerConnection) -> None:
    connection.on_event(EVENT_DISCONNECTED, 7)
    connection.on_event(EVENT_ACCEPTED, 8)
    connection.watch(b"next")
    assert not connection.is_lost
    connection.on_event(EVENT_DISCONNECTED, 8)
    assert connection.is_lost


def test_watching_on_changes_nothing(connection: WorkerConnection) -> None:
    connection.on_event(EVENT_ACCEPTED, 8)
    connection.watch(b"worker")
    connection.on_event(EVENT_DISCONNECTED, 7)
    assert connection.is_lost
