from __future__ import annotations

from contextlib import suppress

import pytest

from forge_scheduler.shares import Room, Shares
from forge_scheduler.waiting_queue import QueueFull, WaitingQueue
from tests.builders import make_sequence


def queue_of(num_many: int, max_sequences: int = 8, max_tokens: int = 800) -> WaitingQueue:
    queue = WaitingQueue(max_sequences, max_tokens)
    for index in range(num_many):
        add(queue, "many", index)
    return queue


def add(queue: WaitingQueue, tenant: str, sequence_id: int, num_tokens: int = 10) -> None:
    sequence = make_sequence(num_tokens, sequence_id=sequence_id)
    sequence.request.tenant = tenant
    queue.require_room(num_tokens, 1.0, tenant=tenant)
    queue.add(sequence)


def test_queue_that_one_tenant_has_filled_takes_others_up_to_an_equal_share() -> None:
    queue = queue_of(8)
    with pytest.raises(QueueFull):
        add(queue, "many", 100)
    for index in range(4):
        add(queue, "other", 200 + index)
    with pytest.raises(QueueFull):
        add(queue, "other", 300)


def test_share_of_tokens_is_equal_too() -> None:
    queue = queue_of(1, max_tokens=100)
    add(queue, "many", 50, 90)
    with pytest.raises(QueueFull):
        add(queue, "other", 100, 51)
    add(queue, "other", 101, 50)


def test_however_many_tenants_come_the_queue_holds_twice_its_bound_at_most() -> None:
    queue = queue_of(8)
    for index in range(100):
        with suppress(QueueFull):
            add(queue, f"tenant-{index}", 1000 + index)
    assert 8 < len(queue) <= 16


def test_what_left_holds_nothing() -> None:
    shares = Shares()
    shares.add("a", 5)
    shares.add("b", 5)
    shares.remove("b", 5)
    assert shares.leaves_room(Room(2, 10), "a", 5)
    assert not shares.leaves_room(Room(2, 10), "a", 6)
