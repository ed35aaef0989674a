"""What each word of a worker brings about, and what a stranger's cannot."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from forge_common.config import BatchSettings, SchedulerConfig, SpeculationSettings
from forge_common.errors import LinkError
from forge_common.protocol.api_scheduler import SchedulerReady, SequenceOutput, WorkerLoss
from forge_common.protocol.scheduler_worker import BatchOutput, FromWorker, WorkerFailed
from forge_common.transport import Undecodable
from forge_scheduler.outputs import ClientOutputs
from forge_scheduler.scheduler import Scheduler
from forge_scheduler.worker_desk import WorkerDesk
from forge_scheduler.worker_seat import Worker
from tests.builders import make_submit
from tests.scheduler.fakes import FakeWorker
from tests.scheduler.test_worker_seat import make_worker

CLIENT, FIRST, SECOND = b"client", b"first", b"second"


class Ledger:
    """Hears what the desk has to say."""

    def __init__(self) -> None:
        self.outputs: list[SequenceOutput] = []
        self.readies: list[SchedulerReady] = []
        self.lost: list[bytes] = []
        self.desk = WorkerDesk(SchedulerConfig(), self)
        self.fake = FakeWorker(num_blocks=32, block_size=4)

    def on_news(self, news: ClientOutputs) -> None:
        for outputs in news.values():
            self.outputs += outputs

    def on_ready(self, ready: SchedulerReady) -> None:
        self.readies.append(ready)

    def on_worker_lost(self, worker: Worker) -> None:
        self.lost.append(worker.peer)

    @property
    def scheduler(self) -> Scheduler:
        assert self.desk.scheduler is not None
        return self.desk.scheduler

    def introduce(self, name: bytes, **changes: int) -> None:
        self.desk.on_message(*make_worker(name, **changes))

    def step(self, name: bytes = FIRST) -> None:
        step = self.desk.next_step()
        assert step is not None
        self.desk.on_message(name, self.fake.run(step))


@pytest.fixture
def ledger() -> Ledger:
    ledger = Ledger()
    ledger.introduce(FIRST)
    return ledger


def test_nothing_is_sent_where_nobody_computes(ledger: Ledger) -> None:
    ledger.scheduler.submit(CLIENT, make_submit())
    ledger.desk.on_lost_connection()
    assert ledger.desk.next_step() is None
    assert Ledger().desk.next_step() is None


@pytest.mark.parametrize(
    ("word", "kind", "reason"),
    [
        (WorkerFailed("out of memory"), WorkerLoss.FAILED, "out of memory"),
        (Undecodable("nonsense"), WorkerLoss.BROKEN, "nonsense"),
        (BatchOutput(7, [], 0.0), WorkerLoss.BROKEN, "step 7, which was not sent"),
        (make_worker(FIRST).ready, WorkerLoss.BROKEN, "introduced itself twice"),
    ],
)
def test_worker_that_cannot_go_on_is_lost_and_replaced(
    ledger: Ledger, word: FromWorker | Undecodable, kind: WorkerLoss, reason: str
) -> None:
    ledger.desk.on_message(FIRST, word)
    assert ledger.lost == [FIRST]
    assert not ledger.desk.stats().is_worker_ready
    assert reason in str(ledger.desk.stats().worker_loss)
    ledger.introduce(SECOND)
    stats = ledger.desk.stats()
    assert stats.is_worker_ready
    assert stats.worker_restarts_total == {**dict.fromkeys(WorkerLoss, 0), kind: 1}


def test_wrong_answer_is_no_token_and_its_sequence_goes_on(ledger: Ledger) -> None:
    ledger.scheduler.submit(CLIENT, make_submit(max_tokens=3))
    step = ledger.desk.next_step()
    assert step is not None
    ledger.desk.on_message(FIRST, BatchOutput(step.step_id, [], 0.0))
    assert ledger.outputs == []
    ledger.introduce(SECOND)
    ledger.fake = FakeWorker(num_blocks=32, block_size=4)
    for _ in range(3):
        ledger.step(SECOND)
    assert sum(len(output.token_ids) for output in ledger.outputs) == 3


def test_answer_of_a_lost_worker_is_never_taken_for_the_next_ones(ledger: Ledger) -> None:
    ledger.scheduler.submit(CLIENT, make_submit(max_tokens=3))
    late = ledger.fake.run(ledger.desk.next_step())
    ledger.desk.on_lost_connection()
    ledger.desk.on_message(FIRST, late)
    ledger.introduce(SECOND)
    ledger.desk.on_message(FIRST, late)
    assert ledger.outputs == []
    assert (ledger.lost, ledger.desk.worker) == ([FIRST], SECOND)


def test_step_that_found_nobody_accuses_nobody(ledger: Ledger) -> None:
    ledger.scheduler.submit(CLIENT, make_submit(max_tokens=3))
    for name in (SECOND, b"third", b"fourth"):
        assert ledger.desk.next_step() is not None
        ledger.desk.on_unsent_step()
        ledger.introduce(name)
    assert ledger.outputs == []


@pytest.mark.parametrize("message", [Undecodable("nonsense"), BatchOutput(0, [], 0.0)])
def test_strangers_change_nothing(ledger: Ledger, message: Any) -> None:
    ledger.desk.on_message(b"stranger", message)
    Ledger().desk.on_message(b"stranger", message)
    assert (ledger.desk.worker, ledger.lost) == (FIRST, [])


def test_second_worker_stands_by_until_the_first_is_lost(ledger: Ledger) -> None:
    ledger.introduce(SECOND, num_blocks=8)
    assert ledger.desk.worker == FIRST
    assert ledger.desk.stats().num_blocks == 32
    ledger.desk.on_lost_connection()
    assert ledger.desk.worker == SECOND
    assert ledger.desk.stats().num_blocks == 8


def test_second_worker_of_no_use_is_not_listened_to(ledger: Ledger) -> None:
    ledger.introduce(SECOND, vocab_size=7)
    ledger.desk.on_lost_connection()
    assert ledger.desk.worker is None


def test_next_worker_of_another_model_is_an_error(ledger: Ledger) -> None:
    ledger.desk.on_lost_connection()
    with pytest.raises(LinkError, match="another model"):
        ledger.introduce(SECOND, vocab_size=7)


def test_clients_see_one_scheduler_whatever_its_workers(ledger: Ledger) -> None:
    ledger.desk.on_lost_connection()
    ledger.introduce(SECOND, num_blocks=8)
    before, after = ledger.readies
    assert before.epoch == after.epoch
    assert (before.max_model_len, after.max_model_len) == (100, 32)


def test_smaller_worker_ends_what_it_has_no_room_for(ledger: Ledger) -> None:
    ledger.scheduler.submit(CLIENT, make_submit(prompt=50))
    ledger.step()
    ledger.desk.on_lost_connection()
    ledger.introduce(SECOND, num_blocks=8)
    assert "room for 32 tokens" in str(ledger.outputs[-1].error)


def test_worker_is_counted_once_it_took_the_place(ledger: Ledger) -> None:
    ledger.desk.on_lost_connection()
    assert ledger.desk.stats().worker_restarts_total[WorkerLoss.GONE] == 0
    assert defaultdict(int, Ledger().desk.stats().worker_restarts_total)[WorkerLoss.GONE] == 0


@pytest.mark.parametrize(
    ("settings", "of_worker", "expected"),
    [
        (SpeculationSettings(), 64, 15),
        (SpeculationSettings(), 4, 4),
        (SpeculationSettings(), 0, 0),
        (SpeculationSettings(max_draft_tokens=3), 64, 3),
        (SpeculationSettings(speculative="off"), 64, 0),
    ],
)
def test_drafts_are_as_many_as_settings_and_worker_allow(
    settings: SpeculationSettings, of_worker: int, expected: int
) -> None:
    desk = WorkerDesk(SchedulerConfig(speculation=settings), Ledger())
    desk.on_message(*make_worker(FIRST, max_draft_tokens=of_worker))
    assert desk.scheduler is not None
    assert desk.scheduler._admission.speculation.max_draft_tokens == expected


def test_the_next_worker_says_for_itself_how_many_drafts_it_takes(ledger: Ledger) -> None:
    ledger.introduce(FIRST, max_draft_tokens=8)
    ledger.desk.on_lost_connection()
    ledger.introduce(SECOND)
    assert ledger.scheduler._admission.speculation.max_draft_tokens == 0


@pytest.mark.parametrize(("process_id", "dismissed"), [(1, []), (2, [FIRST])])
def test_worker_that_lost_its_connection_and_came_back_is_not_dismissed(
    ledger: Ledger, process_id: int, dismissed: list[bytes]
) -> None:
    ledger.introduce(SECOND, process_id=process_id)
    ledger.desk.on_lost_connection()
    assert ledger.desk.worker == SECOND
    assert ledger.lost == dismissed


class SlowLedger(Ledger):
    """Its desk's clock is moved by hand, and a step may take 5 s."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        config = SchedulerConfig(batch=BatchSettings(step_timeout_s=5.0))
        self.desk = WorkerDesk(config, self, lambda: self.now_s)
        self.introduce(FIRST)
        self.scheduler.submit(CLIENT, make_submit(max_tokens=3))


def test_worker_that_does_not_end_a_step_is_lost_and_its_sequences_go_on() -> None:
    ledger = SlowLedger()
    late = ledger.fake.run(ledger.desk.next_step())
    assert ledger.desk.step_remaining_s == 5.0
    ledger.now_s = 4.9
    ledger.desk.lose_if_hung()
    assert ledger.desk.worker == FIRST
    ledger.now_s = 5.0
    ledger.desk.lose_if_hung()
    assert (ledger.desk.worker, ledger.lost) == (None, [FIRST])
    assert ledger.desk.step_remaining_s is None
    ledger.introduce(SECOND)
    ledger.desk.on_message(FIRST, late)
    assert ledger.desk.stats().worker_restarts_total[WorkerLoss.HUNG] == 1
    ledger.fake = FakeWorker(num_blocks=32, block_size=4)
    for _ in range(3):
        ledger.step(SECOND)
    assert sum(len(output.token_ids) for output in ledger.outputs) == 3


def test_worker_that_works_is_never_hung_however_long_it_works() -> None:
    ledger = SlowLedger()
    for _ in range(3):
        ledger.now_s += 4.0
        ledger.step()
        ledger.desk.lose_if_hung()
    ledger.now_s += 100.0
    ledger.desk.lose_if_hung()
    assert ledger.desk.worker == FIRST


def test_request_over_which_two_workers_hang_ends_alone() -> None:
    ledger = SlowLedger()
    for name in (SECOND, b"third"):
        assert ledger.desk.next_step() is not None
        ledger.now_s += 5.0
        ledger.desk.lose_if_hung()
        ledger.introduce(name)
    assert "two workers in succession" in str(ledger.outputs[-1].error)
