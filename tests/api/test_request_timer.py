from __future__ import annotations

from forge_api.completion import ChoiceDelta
from forge_api.metrics import Metrics
from forge_api.output_stream import ChoiceKey
from forge_api.request_timer import RequestTimer


class Timed:
    """A timer made at 0, of a request that came 2 s before; its clock moves when told."""

    def __init__(self) -> None:
        self.now = 0.0
        self._metrics = Metrics()
        self.timer = RequestTimer(self._metrics, -2.0, lambda: self.now)

    def take(self, now: float, *deltas: ChoiceDelta, queue_s: float | None = None) -> None:
        self.now = now
        self.timer.take(deltas, queue_s)

    def finish(self, now: float) -> None:
        self.now = now
        self.timer.finish()

    def seconds(self, name: str) -> float | None:
        return self._value(f"forge_{name}_seconds_sum")

    def count(self, name: str) -> float | None:
        return self._value(f"forge_{name}_seconds_count")

    def _value(self, sample: str) -> float | None:
        return self._metrics.registry.get_sample_value(sample)


def tokens(number: int, *, choice: int = 0, reason: str | None = None) -> ChoiceDelta:
    return ChoiceDelta(choice, ChoiceKey("r", choice), "", [7] * number, finish_reason=reason)


def test_the_stages_of_a_request_add_up() -> None:
    timed = Timed()
    timed.take(4.0, tokens(1), queue_s=1.0)
    timed.take(9.0, tokens(1, reason="stop"))
    timed.finish(10.0)
    stages = ("queue", "prefill", "decode", "inference")
    assert [timed.seconds(f"request_{stage}_time") for stage in stages] == [1.0, 3.0, 5.0, 8.0]


def test_first_token_and_end_are_timed_from_the_arrival() -> None:
    timed = Timed()
    timed.take(4.0, tokens(1))
    timed.finish(10.0)
    assert timed.seconds("time_to_first_token") == 6.0
    assert timed.seconds("e2e_request_latency") == 12.0


def test_only_the_first_output_says_how_long_the_request_waited() -> None:
    timed = Timed()
    timed.take(4.0, tokens(1), queue_s=1.0)
    timed.take(5.0, tokens(1, choice=1), queue_s=3.0)
    assert timed.seconds("request_queue_time") == 1.0
    assert timed.count("request_queue_time") == 1


def test_tokens_that_come_together_share_their_latency() -> None:
    timed = Timed()
    timed.take(1.0, tokens(1))
    timed.take(4.0, tokens(3))
    assert timed.seconds("inter_token_latency") == 1.0


def test_time_per_token_is_that_of_each_choice() -> None:
    timed = Timed()
    timed.take(1.0, tokens(1), tokens(1, choice=1))
    timed.take(5.0, tokens(4, reason="stop"), tokens(1, choice=1, reason="length"))
    assert timed.seconds("time_per_output_token") == 1.0 + 4.0


def test_one_token_has_no_time_per_token() -> None:
    timed = Timed()
    timed.take(1.0, tokens(1, reason="length"))
    assert timed.count("time_per_output_token") == 0


def test_request_without_tokens_has_a_latency_only() -> None:
    timed = Timed()
    timed.finish(2.0)
    assert timed.seconds("e2e_request_latency") == 4.0
    assert timed.count("request_decode_time") == timed.count("request_inference_time") == 0


def test_scheduler_that_does_not_say_when_it_began_leaves_those_times_out() -> None:
    timed = Timed()
    timed.take(1.0, tokens(2))
    timed.finish(2.0)
    assert timed.count("request_prefill_time") == timed.count("request_inference_time") == 0
