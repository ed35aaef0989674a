"""Times of a request that asks for them: by a clock that moves when told."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from forge_common.protocol.api_scheduler import SequenceTimes, Submit
from tests.builders import make_submit
from tests.scheduler.engine import Engine


class Clocked(Engine):
    """Each step is answered a second after it was sent; a forward pass takes a millisecond."""

    def __init__(self, **options: object) -> None:
        self.now_s = 100.0
        super().__init__(clock=lambda: self.now_s, max_steps_in_flight=1, **options)

    def receive(self) -> None:
        self.now_s += 1.0
        super().receive()

    @property
    def last_times(self) -> SequenceTimes:
        times = self.outputs[-1].times
        assert times is not None
        return times


def timed(prompt: int = 4, **sampling: int) -> Submit:
    return replace(make_submit("r", prompt, **sampling), is_timed=True)


def test_queue_prefill_and_decode_add_up_to_the_time_since_arrival() -> None:
    engine = Clocked()
    engine.submit(timed(max_tokens=5))
    engine.now_s += 7.0
    engine.run()
    times = engine.last_times
    assert (times.queue_s, times.prefill_s, times.decode_s) == (7.0, 1.0, 4.0)
    assert (times.num_prefill_steps, times.num_decode_steps) == (1, 4)
    assert times.prefill_forward_s == pytest.approx(0.001)
    assert times.decode_forward_s == pytest.approx(0.004)


def test_chunks_of_a_prompt_are_steps_of_its_prefill() -> None:
    engine = Clocked(max_prefill_tokens=4)
    engine.submit(timed(prompt=12, max_tokens=2)).run()
    assert (engine.last_times.num_prefill_steps, engine.last_times.prefill_s) == (3, 3.0)


def test_every_output_says_how_far_it_is() -> None:
    engine = Clocked()
    engine.submit(timed(max_tokens=3)).run()
    seen = [output.times.num_decode_steps for output in engine.outputs if output.times]
    assert seen == [0, 1, 2]


def test_choices_are_timed_one_by_one() -> None:
    engine = Clocked()
    engine.submit(timed(prompt=9, num_choices=2, max_tokens=2)).run()
    queues = {
        output.choice_index: output.times.queue_s for output in engine.outputs if output.times
    }
    assert queues == {0: 0.0, 1: 1.0}  # the second one waits for the first one's prompt


def test_loss_of_a_worker_is_a_resumption() -> None:
    engine = Clocked()
    engine.submit(timed(max_tokens=6))
    engine.step()
    engine.send()
    engine.lose_worker()
    engine.now_s += 30.0
    engine.replace_worker()
    engine.run()
    times = engine.last_times
    assert (times.num_resumptions, times.num_preemptions) == (1, 0)
    assert times.queue_s + times.prefill_s + times.decode_s == engine.now_s - 100.0


def test_preemptions_are_counted_for_the_one_that_gave_way() -> None:
    engine = Clocked(num_blocks=6)
    engine.submit(make_submit("first", 8, max_tokens=10), timed(prompt=8, max_tokens=10)).run()
    times = [output.times for output in engine.outputs if output.times is not None]
    assert times[-1].num_preemptions == engine.scheduler.counters.num_preemptions > 0


def test_who_does_not_ask_is_not_timed_and_nothing_is_kept_of_who_did() -> None:
    engine = Clocked()
    engine.submit(timed(max_tokens=3), make_submit("other", max_tokens=9)).run()
    assert all(output.times is None for output in engine.outputs if output.request_id == "other")
    assert not engine.scheduler._timekeeper._watches


def test_an_aborted_request_is_forgotten() -> None:
    engine = Clocked()
    engine.submit(timed(max_tokens=50))
    engine.step()
    engine.abort("r")
    assert not engine.scheduler._timekeeper._watches


def test_nothing_is_kept_of_a_choice_that_another_scheduler_had_ended() -> None:
    engine = Clocked()
    engine.submit(replace(timed(num_choices=2, max_tokens=3), so_far=[None, [1]])).run()
    assert not engine.scheduler._timekeeper._watches
