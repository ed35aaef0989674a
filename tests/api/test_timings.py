"""`forge.timings`: asked for, and only then; the hops add up to the whole."""

from __future__ import annotations

from typing import Any

import pytest

from forge_api.laps import Lap
from forge_api.timings import ChoiceMoments, Moments, timings_of
from forge_common.protocol.api_scheduler import SequenceTimes
from tests.api.fakes import HELLO, FakeEngine, chat, complete, post, speaks

ASKED = {"forge": {"timings": True}}


def times(decode_s: float = 4.0) -> SequenceTimes:
    return SequenceTimes(1.0, 2.0, decode_s, 1, 3, 1.5, 2.5, 4, 2, 0, 0)


def moments(*choices: ChoiceMoments) -> Moments:
    laps = (Lap("template", 10.0, 10.5), Lap("tokenize", 10.5, 10.75))
    return Moments(arrived=10.0, submitted=11.0, laps=laps, choices=list(choices))


def test_hops_add_up_to_the_whole() -> None:
    timings = timings_of(moments(ChoiceMoments(0, 14.5, 18.5, 5, times())), 7)
    assert timings is not None
    assert timings.hops is not None
    assert (timings.hops.api_s, timings.hops.links_s) == (1.0, 0.5)
    assert (timings.hops.scheduler_s, timings.hops.worker_s) == (3.0, 4.0)
    assert sum(getattr(timings.hops, name) for name in timings.hops.__struct_fields__) == 8.5
    assert (timings.total_s, timings.first_token_s, timings.num_cached_tokens) == (8.5, 4.5, 7)
    assert (timings.template_s, timings.tokenize_s, timings.grammar_s) == (0.5, 0.25, 0.0)
    assert timings.tokens_per_second == 1.0


def test_the_longest_choice_says_where_the_time_went() -> None:
    short = ChoiceMoments(0, 14.0, 15.0, 2, times(decode_s=1.0))
    long = ChoiceMoments(1, 14.0, 18.5, 4, times())
    timings = timings_of(moments(short, long), 0)
    assert timings is not None
    assert timings.hops is not None
    assert timings.hops.links_s == 0.5
    assert timings.tokens_per_second == 4 / 4.5
    assert [choice.decode_s for choice in timings.choices] == [1.0, 4.0]


def test_one_token_has_no_rate() -> None:
    timings = timings_of(moments(ChoiceMoments(0, 14.5, 14.5, 1, None)), 0)
    assert timings is not None
    assert (timings.tokens_per_second, timings.hops, timings.choices) == (None, None, [])


def test_without_a_token_there_are_no_timings() -> None:
    assert timings_of(moments(), 0) is None


@pytest.mark.parametrize("make", [chat, complete])
def test_a_whole_reply_carries_them_when_asked(make: Any) -> None:
    timings = make("hello", **ASKED).json["forge"]["timings"]
    assert timings["choices"][0]["num_decode_steps"] == 4
    assert timings["num_cached_tokens"] == 4
    assert set(timings["hops"]) == {"api_s", "links_s", "scheduler_s", "worker_s"}
    assert "forge" not in make("hello").json
    assert "forge" not in make("hello", forge={"timings": False}).json


@pytest.mark.parametrize("make", [chat, complete])
@pytest.mark.parametrize("has_usage", [True, False])
def test_the_last_chunk_of_a_stream_carries_them(make: Any, has_usage: bool) -> None:
    options = {"stream_options": {"include_usage": True}} if has_usage else {}
    *chunks, last, done = make("hello", stream=True, **ASKED, **options).events
    assert done == "[DONE]"
    assert last["choices"] == []
    assert last["forge"]["timings"]["total_s"] > 0
    assert ("usage" in last) is has_usage
    assert not [chunk for chunk in chunks if "forge" in chunk]


def test_unknown_fields_are_named_beside_them() -> None:
    notes = chat("hi", mood=1, forge={"timings": True, "weather": 1}).json["forge"]
    assert notes["ignored"] == ["mood", "forge.weather"]
    assert "timings" in notes


def test_only_who_asks_is_timed() -> None:
    engine = FakeEngine(speaks("hi"))
    post(engine, "/v1/chat/completions", HELLO)
    post(engine, "/v1/chat/completions", HELLO | ASKED)
    assert [submit.is_timed for submit in engine.submitted] == [False, True]


def test_a_stop_string_ends_them_with_the_text() -> None:
    timings = chat("hello world", stop="lo", **ASKED).json["forge"]["timings"]
    assert timings["choices"][0]["num_tokens"] > 0


def test_every_choice_has_its_own() -> None:
    timings = chat("hello", n=3, **ASKED).json["forge"]["timings"]
    assert [choice["index"] for choice in timings["choices"]] == [0, 1, 2]
