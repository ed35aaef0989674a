"""Who gets which share of a step, and who has to give up its place."""

from __future__ import annotations

from forge_scheduler.policy import LowestPriorityNumberFirst
from tests.builders import make_submit
from tests.scheduler.engine import Engine, scheduled_tokens, sent


def test_long_prompt_runs_in_chunks_within_the_budget() -> None:
    engine = Engine(max_prefill_tokens=6, max_steps_in_flight=9).submit(make_submit(prompt=16))
    assert [scheduled_tokens(sent(engine)) for _ in range(4)] == [[6], [6], [4], [1]]


def test_running_sequences_go_before_waiting_ones() -> None:
    engine = Engine(max_prefill_tokens=6).submit(make_submit("a", 4))
    engine.send()
    engine.submit(make_submit("b", 20))
    assert scheduled_tokens(sent(engine)) == [1, 5]


def test_those_behind_a_long_chunk_still_decode() -> None:
    engine = Engine(max_prefill_tokens=8, max_steps_in_flight=9, policy=LowestPriorityNumberFirst())
    engine.submit(make_submit("patient", 4, priority=1))
    engine.send()
    engine.submit(make_submit("urgent", 40, priority=0))
    engine.send()
    assert scheduled_tokens(sent(engine)) == [7, 1]


def test_batch_never_exceeds_its_size() -> None:
    engine = Engine(max_batch_size=2).submit(*(make_submit(str(i)) for i in range(3)))
    assert len(sent(engine).scheduled) == 2
    engine.run()
    assert len(engine.ends) == 3


def test_preempted_sequence_is_sent_again_with_its_output() -> None:
    engine = Engine(6, has_prefix_cache=False, max_steps_in_flight=1)
    engine.submit(make_submit("a", 8, max_tokens=14), make_submit("b", 8, max_tokens=14))
    resumed = []
    while not engine.scheduler.is_empty:
        engine.send()
        resumed += [new for new in engine.sent[-1].new if len(new.token_ids) > 8]
        engine.receive()
    assert engine.scheduler.counters.num_preemptions == 1
    assert [new.num_prompt_tokens for new in resumed] == [8]


def test_latest_arrival_is_preempted_first() -> None:
    engine = Engine(6, has_prefix_cache=False)
    engine.submit(make_submit("a", 8, max_tokens=14), make_submit("b", 8, max_tokens=14)).run()
    assert list(engine.ends) == [("a", 0), ("b", 0)]


def test_request_starts_only_where_those_running_can_still_grow() -> None:
    engine = Engine(5, has_prefix_cache=False).submit(make_submit("a", 8, max_tokens=9))
    engine.send()
    engine.submit(make_submit("b", 12))
    assert len(sent(engine).scheduled) == 1


def test_request_leaves_a_spare_block_to_those_started_in_the_same_step() -> None:
    engine = Engine(4, has_prefix_cache=False)
    engine.submit(make_submit("a", 8), make_submit("b", 8))
    assert len(sent(engine).scheduled) == 1


def test_preempted_sequence_does_not_come_back_into_the_room_it_made() -> None:
    engine = Engine(6, has_prefix_cache=False, max_steps_in_flight=1)
    engine.submit(make_submit("a", 8, max_tokens=14), make_submit("b", 8, max_tokens=14))
    while engine.scheduler.counters.num_preemptions == 0:
        engine.step()
    assert engine.scheduler.stats().num_waiting == 1


def test_urgent_request_takes_the_place_of_a_patient_one() -> None:
    engine = Engine(max_batch_size=1, policy=LowestPriorityNumberFirst())
    engine.submit(make_submit("patient", max_tokens=20, priority=1))
    engine.step()
    engine.submit(make_submit("urgent", max_tokens=2, priority=0)).run()
    assert list(engine.ends) == [("urgent", 0), ("patient", 0)]
    assert engine.scheduler.counters.num_preemptions == 1


def test_second_suspect_keeps_even_the_innocent_behind_it_waiting() -> None:
    """Nobody overtakes the first in the queue."""
    options = {"max_steps_in_flight": 1, "has_prefix_cache": False}
    engine = Engine(**options).submit(make_submit("a", 5), make_submit("b", 6))
    engine.send()
    engine.lose_worker()
    engine.replace_worker()
    engine.submit(make_submit("c", 7))
    assert scheduled_tokens(sent(engine)) == [5]
    engine.receive()
    assert scheduled_tokens(sent(engine)) == [1, 6, 7]
