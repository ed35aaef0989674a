"""Loads and their goals."""

from __future__ import annotations

from tests.bench.cpu.cases import FORMATS, GOALS, LOADS, LONG, PREFILL, decode, goal


def test_every_format_has_a_goal_for_every_load() -> None:
    assert GOALS.keys() == FORMATS.keys()
    assert {len(goals) for goals in GOALS.values()} == {len(LOADS)}


def test_goal_is_that_of_the_load() -> None:
    assert (goal("q8_0", decode(16)), goal("q8_0", PREFILL), goal("bf16", LONG)) == (4.0, 3.7, 3.0)


def test_tokens_of_a_prompt_count_where_it_is_the_load() -> None:
    assert PREFILL.num_tokens == 512
    assert decode(8).num_tokens == 8 * decode(8).num_steps
