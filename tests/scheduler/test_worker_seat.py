"""Who may sit down, who stands by, and what is known of the last one."""

from __future__ import annotations

import pytest

from forge_common.errors import LinkError
from forge_common.protocol.api_scheduler import WorkerLoss
from forge_common.protocol.message import PROTOCOL_VERSION
from forge_common.protocol.scheduler_worker import WorkerReady
from forge_scheduler.worker_seat import MAX_REASON_CHARS, Handover, Loss, Worker, WorkerSeat

LOSS = Loss(WorkerLoss.GONE, "gone")


def make_worker(name: bytes = b"worker", **changes: int) -> Worker:
    sizes = {"num_blocks": 32, "block_size": 4, "max_model_len": 100, "vocab_size": 100}
    rest = {"protocol_version": PROTOCOL_VERSION, "process_id": 1}
    return Worker(name, WorkerReady(**{**rest, **sizes, **changes}))


@pytest.mark.parametrize("name", ["num_blocks", "block_size", "max_model_len", "vocab_size"])
def test_worker_with_nothing_to_serve_with_is_refused(name: str) -> None:
    with pytest.raises(LinkError, match="nothing to serve with"):
        WorkerSeat().take(make_worker(**{name: 0}))


def test_worker_of_another_version_is_refused() -> None:
    with pytest.raises(LinkError, match="install the same Forge"):
        WorkerSeat().take(make_worker(protocol_version=PROTOCOL_VERSION + 1))


def test_worker_of_another_model_cannot_follow() -> None:
    seat = WorkerSeat()
    seat.take(make_worker())
    seat.vacate(LOSS)
    with pytest.raises(LinkError, match="200 tokens, not 100"):
        seat.take(make_worker(vocab_size=200))


def test_who_stands_by_is_the_successor() -> None:
    seat = WorkerSeat()
    first, second = make_worker(b"first"), make_worker(b"second")
    seat.take(first)
    seat.stand_by(make_worker(b"too early"))
    seat.stand_by(second)
    assert seat.vacate(LOSS) == Handover(first, second)
    assert (seat.worker, seat.last_loss) == (None, LOSS)
    seat.take(second)
    assert seat.vacate(LOSS) == Handover(second, None)


def test_only_so_much_of_a_reason_is_kept() -> None:
    seat = WorkerSeat()
    seat.take(make_worker())
    seat.vacate(Loss(WorkerLoss.FAILED, "x" * 10_000))
    assert seat.last_loss == Loss(WorkerLoss.FAILED, "x" * MAX_REASON_CHARS)


def test_empty_seat_cannot_be_lost() -> None:
    seat = WorkerSeat()
    assert seat.vacate(LOSS) is None
    assert seat.last_loss is None
