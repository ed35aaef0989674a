"""The status tells where each sequence stands, and nothing of what it says."""

from __future__ import annotations

import re

import msgspec
import pytest

from forge_common.protocol.api_scheduler import SchedulerStatus, SequencePhase
from forge_scheduler.kv_cache.block_map import MAX_CELLS
from forge_scheduler.stats import StepTimer
from forge_scheduler.status import MAX_SEQUENCES, NEWS_AFTER_S, RecentStatus, starting_status
from tests.builders import make_submit
from tests.scheduler.engine import Engine

PROMPT = [7, 8, 9, 10, 11]


def phases(status: SchedulerStatus) -> list[tuple[str, SequencePhase]]:
    return [(state.request_id, state.phase) for state in status.sequences]


def test_those_that_run_come_before_those_that_wait() -> None:
    engine = Engine(max_batch_size=1)
    engine.submit(make_submit("a", PROMPT), make_submit("b", PROMPT))
    engine.step()
    assert phases(engine.scheduler.status()) == [
        ("a", SequencePhase.RUNNING),
        ("b", SequencePhase.WAITING),
    ]


def test_a_sequence_is_told_by_its_counts() -> None:
    engine = Engine(block_size=4).submit(make_submit("a", PROMPT, max_tokens=20))
    engine.step()
    [state] = engine.scheduler.status().sequences
    assert (state.num_prompt_tokens, state.max_num_tokens) == (5, 25)
    assert state.num_output_tokens >= 1
    assert state.num_blocks >= 2
    assert state.age_s >= 0


def test_those_of_a_lost_worker_are_preempted() -> None:
    engine = Engine().submit(make_submit("a", PROMPT))
    engine.step()
    engine.lose_worker()
    assert phases(engine.scheduler.status()) == [("a", SequencePhase.PREEMPTED)]


def test_used_blocks_are_those_of_the_sequences() -> None:
    engine = Engine(num_blocks=64, block_size=4).submit(make_submit("a", PROMPT))
    engine.step()
    status = engine.scheduler.status()
    assert sum(status.block_map.used) == status.sequences[0].num_blocks > 0


def test_ended_sequences_are_gone_and_their_prefix_is_kept() -> None:
    engine = Engine(block_size=4).submit(make_submit("a", PROMPT)).run()
    status = engine.scheduler.status()
    assert status.sequences == []
    assert sum(status.block_map.used) == 0
    assert sum(status.block_map.cached) > 0


def test_a_status_is_bounded_whatever_waits() -> None:
    engine = Engine(num_blocks=5 * MAX_CELLS, max_batch_size=2)
    engine.submit(*(make_submit(f"{number:0128}", PROMPT) for number in range(MAX_SEQUENCES + 9)))
    status = engine.scheduler.status()
    assert len(status.sequences) == MAX_SEQUENCES
    assert len(msgspec.msgpack.encode(status)) < 2**17


def test_no_token_stands_in_a_status() -> None:
    engine = Engine(vocab_size=100_000).submit(make_submit("a", [91_234, 91_235, 91_236]))
    engine.step()
    status = str(engine.scheduler.status())
    assert re.search(r"(?<![\d.])9123\d", status) is None  # but for digits of a time


def test_step_time_is_the_workers_own() -> None:
    timer = StepTimer()
    timer.observe(sent_at_s=1.0, answered_at_s=3.0)
    timer.observe(sent_at_s=2.0, answered_at_s=4.0)  # began with the answer before it
    timer.observe(sent_at_s=10.0, answered_at_s=10.5)  # after a pause, which is nobody's
    assert timer.num_steps == 3
    assert timer.total_s == pytest.approx(3.5)


def test_steps_are_timed() -> None:
    engine = Engine().submit(make_submit("a", PROMPT)).run()
    status = engine.scheduler.status()
    assert status.steps_answered_total > 0
    assert status.step_s_total > 0


def test_who_asks_again_at_once_is_told_the_same() -> None:
    now_s, made = 100.0, []

    def make() -> SchedulerStatus:
        made.append(starting_status())
        return made[-1]

    recent = RecentStatus(make, lambda: now_s)
    assert all(recent.get() is made[0] for _ in range(3))
    now_s += 2 * NEWS_AFTER_S
    assert recent.get() is made[-1]
    assert len(made) == 2
