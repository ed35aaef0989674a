"""However the work is cut, shared, interrupted or overlapped: the same tokens come out."""

from __future__ import annotations

import random
from typing import Any

import pytest

from forge_common.protocol.api_scheduler import Submit
from tests.builders import make_submit
from tests.scheduler.engine import Engine, run_all

ROOMY = {"num_blocks": 256, "max_batch_size": 32}
PLAIN = {**ROOMY, "has_prefix_cache": False, "max_steps_in_flight": 1}


def mixed_submits(num_requests: int = 12) -> list[Submit]:
    """Prompts that begin alike, of several lengths; some stop by token, some fan out."""
    chance = random.Random(1)
    opening = [chance.randrange(100) for _ in range(30)]
    return [
        make_submit(
            f"r{index}",
            opening[: chance.randrange(1, 30)] + [index] * chance.randrange(1, 9),
            max_tokens=chance.randrange(1, 30),
            seed=index,
            num_choices=chance.choice([1, 1, 3]),
            eos_token_ids=tuple(range(5)),
            min_tokens=chance.choice([0, 1]),
        )
        for index in range(num_requests)
    ]


@pytest.fixture(scope="module")
def expected() -> Engine:
    """Every request alone, uncached, unchunked, one step at a time."""
    together = Engine()
    for submit in mixed_submits():
        alone = run_all([submit], **PLAIN)
        together.tokens.update(alone.tokens)
        together.ends.update(alone.ends)
    return together


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(PLAIN, id="batched"),
        pytest.param({**PLAIN, "max_prefill_tokens": 5}, id="chunked"),
        pytest.param({**PLAIN, "max_steps_in_flight": 2}, id="overlapped"),
        pytest.param({**ROOMY, "max_steps_in_flight": 1}, id="cached"),
        pytest.param({**PLAIN, "num_blocks": 20}, id="preempted"),
        pytest.param({**PLAIN, "num_blocks": 4, "block_size": 128}, id="naive"),
        pytest.param({"num_blocks": 20, "max_prefill_tokens": 7}, id="everything at once"),
        pytest.param({**ROOMY, "block_size": 1}, id="blocks of one token"),
        pytest.param({**PLAIN, "max_draft_tokens": 7}, id="drafted"),
        pytest.param({**ROOMY, "max_draft_tokens": 7}, id="drafted, cached and overlapped"),
        pytest.param(
            {"num_blocks": 20, "max_prefill_tokens": 7, "max_draft_tokens": 7},
            id="drafted and everything at once",
        ),
    ],
)
def test_tokens_do_not_depend_on_how_they_are_scheduled(
    expected: Engine, options: dict[str, Any]
) -> None:
    engine = run_all(mixed_submits(), **options)
    assert engine.tokens == expected.tokens
    assert engine.ends == expected.ends


def test_little_room_really_preempts() -> None:
    engine = run_all(mixed_submits(), num_blocks=20, has_prefix_cache=False)
    assert engine.scheduler.counters.num_preemptions > 0


def test_right_drafts_save_steps() -> None:
    plain, drafted = (
        run_all(mixed_submits(), max_draft_tokens=most, **ROOMY).scheduler.counters
        for most in (0, 7)
    )
    assert drafted.num_output_tokens == plain.num_output_tokens
    assert 0 < drafted.num_accepted_tokens < drafted.num_draft_tokens
    assert drafted.num_steps < plain.num_steps


def test_drafts_preempt_nobody() -> None:
    for num_blocks in range(12, 40, 4):
        plain, drafted = (
            run_all(mixed_submits(), num_blocks, max_draft_tokens=most, max_steps_in_flight=1)
            for most in (0, 7)
        )
        assert drafted.tokens == plain.tokens
    one = run_all([make_submit(prompt=4, max_tokens=60)], 16, max_draft_tokens=7)
    assert one.scheduler.counters.num_preemptions == 0


def test_tokens_do_not_depend_on_when_steps_are_answered(expected: Engine) -> None:
    engine = Engine(24, max_prefill_tokens=9).submit(*mixed_submits())
    chance = random.Random(2)
    while not engine.scheduler.is_empty:
        if not (chance.random() < 0.5 and engine.send()) and engine.sent:
            engine.receive()
    assert engine.tokens == expected.tokens
