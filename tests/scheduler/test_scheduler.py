"""The two verbs, seen from outside: what is sent to the worker, and what clients get."""

from __future__ import annotations

from itertools import count

import msgspec
import pytest

from forge_common.errors import RequestError, WorkerError
from forge_common.grammar.program import AnyValue, Program
from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import BatchOutput, SampledSequence
from forge_common.sampling import FinishReason
from forge_scheduler.policy import LowestPriorityNumberFirst
from forge_scheduler.waiting_queue import QueueFull
from tests.builders import make_scheduler, make_submit
from tests.scheduler.engine import CLIENT, Engine, run_all, scheduled_tokens, sent

ANY_VALUE = msgspec.msgpack.encode(Program((AnyValue(),)))


def test_nothing_asked_nothing_scheduled() -> None:
    assert make_scheduler().schedule() is None


def test_sequence_is_described_once_then_by_deltas() -> None:
    engine = Engine().submit(make_submit(prompt=4))
    first, second = sent(engine), sent(engine)
    assert [new.token_ids for new in first.new] == [[0, 1, 2, 3]]
    assert second.new == []
    assert scheduled_tokens(second) == [1]


def test_next_step_is_sent_before_the_last_is_read_but_not_two() -> None:
    engine = Engine().submit(make_submit())
    assert [engine.send(), engine.send(), engine.send()] == [True, True, False]


def test_sequence_with_a_grammar_waits_for_its_token_and_nobody_else_does() -> None:
    engine = Engine().submit(make_submit("a", 6, grammar=ANY_VALUE), make_submit("b", 3))
    first, second = sent(engine), sent(engine)
    constrained = first.scheduled[0].sequence_id
    assert len(first.scheduled) == 2
    assert constrained not in [part.sequence_id for part in second.scheduled]
    engine.receive()
    assert constrained in [part.sequence_id for part in sent(engine).scheduled]


def test_prompt_with_a_grammar_is_cut_and_sent_ahead_as_any_other() -> None:
    engine = Engine(max_prefill_tokens=4).submit(make_submit(prompt=8, grammar=ANY_VALUE))
    assert [scheduled_tokens(sent(engine)) for _ in range(2)] == [[4], [4]]
    assert not engine.send()


def test_without_overlap_one_step_is_in_flight() -> None:
    engine = Engine(max_steps_in_flight=1).submit(make_submit())
    assert [engine.send(), engine.send()] == [True, False]


def test_end_by_length_wastes_no_row() -> None:
    engine = Engine().submit(make_submit(max_tokens=1))
    assert [engine.send(), engine.send()] == [True, False]


def test_end_by_token_drops_the_row_sent_ahead() -> None:
    engine = Engine().submit(make_submit(eos_token_ids=tuple(range(100))))
    engine.send()
    engine.send()
    engine.receive()
    assert engine.ends == {("r", 0): FinishReason.STOP}
    engine.receive()
    assert len(engine.tokens["r", 0]) == 1
    assert engine.scheduler.is_empty


def test_finished_sequence_is_released_with_the_next_step() -> None:
    engine = Engine().submit(make_submit("a", max_tokens=1), make_submit("b", max_tokens=9))
    batch = sent(engine)
    engine.receive()
    assert sent(engine).released == [batch.scheduled[0].sequence_id]


def test_repeated_prompt_is_computed_once() -> None:
    engine = run_all([make_submit("a", 17, max_tokens=1)])
    engine.submit(make_submit("b", 17, max_tokens=1)).run()
    assert engine.outputs[-1].num_cached_tokens == 16
    assert engine.worker.num_prompt_tokens_run == 18


def test_choices_wait_for_the_first_and_share_its_prompt() -> None:
    engine = Engine().submit(make_submit(prompt=17, num_choices=4, max_tokens=2))
    assert len(sent(engine).scheduled) == 1
    engine.run()
    assert engine.worker.num_prompt_tokens_run == 17 + 3
    assert len(engine.ends) == 4


def test_choices_join_the_first_as_soon_as_its_prompt_is_computed() -> None:
    engine = Engine().submit(make_submit(prompt=17, num_choices=3, max_tokens=20))
    engine.step()
    assert len(sent(engine).new) == 2


def test_choices_of_an_aborted_first_choice_still_run() -> None:
    engine = Engine().submit(make_submit(prompt=17, num_choices=3, max_tokens=2))
    engine.abort("r", 0)
    engine.run()
    assert engine.ends["r", 0] is FinishReason.ABORT
    assert engine.ends["r", 2] is FinishReason.LENGTH


def test_choices_without_a_shareable_prompt_start_together() -> None:
    engine = Engine().submit(make_submit(prompt=3, num_choices=3))
    assert len(sent(engine).scheduled) == 3


def test_choices_differ() -> None:
    engine = run_all([make_submit(num_choices=2, max_tokens=9)])
    assert engine.tokens["r", 0] != engine.tokens["r", 1]


def test_context_ends_a_sequence_by_length() -> None:
    engine = run_all([make_submit(prompt=4, max_tokens=1000)], max_model_len=10)
    assert len(engine.tokens["r", 0]) == 6
    assert engine.ends["r", 0] is FinishReason.LENGTH


def test_context_is_no_longer_than_all_blocks() -> None:
    engine = run_all([make_submit(prompt=4, max_tokens=1000)], num_blocks=3)
    assert engine.scheduler.max_model_len == 12
    assert len(engine.tokens["r", 0]) == 8


def test_prompt_longer_than_all_blocks_is_refused() -> None:
    with pytest.raises(RequestError) as raised:
        Engine(3).submit(make_submit(prompt=12))
    assert raised.value.code == "context_length_exceeded"


def test_request_id_may_be_used_again_only_after_its_end() -> None:
    engine = Engine().submit(make_submit("a", max_tokens=1))
    with pytest.raises(RequestError) as raised:
        engine.submit(make_submit("a"))
    assert raised.value.code == "duplicate_request_id"
    engine.run()
    engine.scheduler.submit(CLIENT, make_submit("a"))


def test_full_queue_refuses_and_counts() -> None:
    engine = Engine(max_queued_requests=1).submit(make_submit("a"))
    with pytest.raises(QueueFull):
        engine.submit(make_submit("b"))
    assert engine.scheduler.stats().rejected_total == 1


@pytest.mark.parametrize("num_steps", [0, 1, 2])
def test_abort_frees_everything_whatever_is_in_flight(num_steps: int) -> None:
    engine = Engine(max_prefill_tokens=8).submit(make_submit(prompt=12, num_choices=2))
    for _ in range(num_steps):
        engine.send()
    engine.abort("r")
    assert engine.scheduler.stats().num_free_blocks == 64
    assert set(engine.ends.values()) == {FinishReason.ABORT}
    engine.run()
    assert engine.tokens["r", 0] == []


def test_abort_of_a_preempted_sequence_ends_it() -> None:
    engine = Engine(max_batch_size=1, policy=LowestPriorityNumberFirst())
    engine.submit(make_submit("patient", max_tokens=20, priority=1))
    engine.step()
    engine.submit(make_submit("urgent", max_tokens=9, priority=0)).step()
    engine.abort("patient")
    engine.run()
    assert engine.ends["patient", 0] is FinishReason.ABORT


def test_abort_of_the_unknown_is_no_error() -> None:
    engine = Engine()
    engine.abort("never was")
    assert engine.ends == {}


def test_failed_sequence_ends_alone() -> None:
    engine = Engine(max_steps_in_flight=1).submit(make_submit("a"), make_submit("b"))
    answer = engine.worker.run(sent(engine))
    failed = SampledSequence(answer.sequences[0].sequence_id, [], error=Failure("broken"))
    [outputs] = engine.scheduler.update(
        BatchOutput(answer.step_id, [failed, answer.sequences[1]], 0.0)
    ).values()
    assert [output.error for output in outputs] == [Failure("broken"), None]
    assert outputs[0].finish_reason is FinishReason.ERROR


def test_ending_everything_of_a_client_leaves_the_others() -> None:
    scheduler = make_scheduler()
    scheduler.submit(b"one", make_submit())
    scheduler.submit(b"two", make_submit())
    ended = scheduler.end_all(FinishReason.ABORT, client=b"one")
    assert list(ended) == [b"one"]
    assert scheduler.stats().num_waiting == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(BatchOutput(5, [SampledSequence(1, [7])], 0.0), id="another step"),
        pytest.param(BatchOutput(0, [], 0.0), id="no sequence"),
        pytest.param(BatchOutput(0, [SampledSequence(2, [7])], 0.0), id="another sequence"),
        pytest.param(BatchOutput(0, [SampledSequence(1, [100])], 0.0), id="no such token"),
        pytest.param(BatchOutput(0, [SampledSequence(1, [])], 0.0), id="no token"),
        pytest.param(BatchOutput(0, [SampledSequence(1, [7, 7])], 0.0), id="too many tokens"),
        pytest.param(BatchOutput(0, [SampledSequence(1, [7], [])], 0.0), id="no logprobs"),
    ],
)
def test_impossible_answer_is_an_error_of_the_worker(answer: BatchOutput) -> None:
    engine = Engine().submit(make_submit())
    engine.send()
    with pytest.raises(WorkerError):
        engine.scheduler.update(answer)


def test_answer_to_no_step_is_an_error_of_the_worker() -> None:
    with pytest.raises(WorkerError):
        make_scheduler().update(BatchOutput(0, [], 0.0))


def test_prompt_logprobs_survive_chunks_and_preemption() -> None:
    submits = [
        make_submit(name, 9, max_tokens=14, num_prompt_logprobs=0) for name in ("a", "b", "c")
    ]
    engine = run_all(submits, num_blocks=9, max_prefill_tokens=4)
    firsts = [output for output in engine.outputs if output.prompt_logprobs is not None]
    assert [output.request_id for output in firsts] == ["a", "b", "c"]
    for output in firsts:
        assert output.prompt_logprobs[0] is None
        assert [entry.chosen.token_id for entry in output.prompt_logprobs[1:]] == list(range(1, 9))


def test_stats_count_what_happened() -> None:
    stats = run_all([make_submit("a", 9), make_submit("b", 9)]).scheduler.stats()
    assert stats.prompt_tokens_total == 18
    assert stats.output_tokens_total == 16
    assert stats.finished_total[FinishReason.LENGTH] == 2
    assert stats.num_free_blocks == stats.num_blocks == 64


def test_ages_are_known_only_while_something_waits_or_runs() -> None:
    now_s = [100.0]
    engine = Engine(clock=lambda: now_s[0])
    assert engine.scheduler.stats().last_step_age_s is None
    engine.submit(make_submit())
    now_s[0] = 103.0
    assert engine.scheduler.stats().oldest_waiting_age_s == 3.0
    engine.send()
    now_s[0] = 105.0
    assert engine.scheduler.stats().last_step_age_s == 2.0


def test_first_output_says_how_long_its_sequence_waited() -> None:
    now_s = [100.0]
    engine = Engine(clock=lambda: now_s[0])
    engine.submit(make_submit(max_tokens=2))
    now_s[0] = 103.0
    engine.run()
    assert [output.queue_s for output in engine.outputs] == [3.0, None]


def test_wait_of_a_preempted_sequence_ends_with_its_first_step() -> None:
    ticks = count(0.0, 1.0)
    engine = Engine(7, clock=lambda: next(ticks), has_prefix_cache=False)
    engine.submit(*(make_submit(name, 8, max_tokens=12) for name in "ab")).run()
    assert engine.scheduler.counters.num_preemptions > 0
    said = [output.queue_s for output in engine.outputs if output.queue_s is not None]
    assert len(said) == 2


def test_every_step_is_measured() -> None:
    sizes = run_all([make_submit("a", 9, max_tokens=3)]).scheduler.stats().step_sizes
    assert sizes.tokens_total == 9 + 2
    assert sum(sizes.counts) == 3


def test_retry_after_of_a_full_queue_is_when_those_that_wait_have_started() -> None:
    """At a pace of one prompt of ten tokens a second; before that, all was idle for an hour."""
    now_s = 1000.0
    engine = Engine(
        max_batch_size=1, max_queued_requests=8, clock=lambda: now_s, has_prefix_cache=False
    )
    engine.submit(make_submit("early", 10, max_tokens=1)).run()
    now_s += 3600
    for index in range(8):
        engine.submit(make_submit(f"r{index}", 10, max_tokens=1))
    for index in range(4):
        engine.step()
        now_s += 1.0
        engine.submit(make_submit(f"more-{index}", 10, max_tokens=1))
    while not engine.scheduler._waiting.num_tokens >= 80:
        engine.submit(
            make_submit(f"fill-{engine.scheduler._reception._num_requests}", 10, max_tokens=1)
        )
    with pytest.raises(QueueFull) as raised:
        engine.submit(make_submit("late", 10))
    assert raised.value.retry_after_s == pytest.approx(8.0, rel=0.4)


def test_request_that_cannot_start_before_its_deadline_is_refused_at_once() -> None:
    now_s = 1000.0
    engine = Engine(max_batch_size=1, clock=lambda: now_s, has_prefix_cache=False)
    for index in range(20):
        engine.submit(make_submit(f"r{index}", 10, max_tokens=1, tenant="many"))
    for _ in range(4):
        engine.step()
        now_s += 1.0
    hasty = msgspec.structs.replace(make_submit("hasty", 10, tenant="many"), start_within_s=2.0)
    with pytest.raises(QueueFull) as raised:
        engine.submit(hasty)
    assert raised.value.code == "deadline_unreachable"
    other = msgspec.structs.replace(make_submit("other", 10, tenant="other"), start_within_s=2.0)
    engine.submit(other)
