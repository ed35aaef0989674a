"""How often what was foretold came."""

from __future__ import annotations

import pytest

from forge_scheduler.foretold import PRIOR_RATE, RATE_WEIGHT, Foretold, num_alike


def foretold(*token_ids: int, rate: float = PRIOR_RATE) -> Foretold:
    one = Foretold(rate)
    one.token_ids = list(token_ids)
    return one


@pytest.mark.parametrize(
    ("came", "outcomes"),
    [
        ([], []),
        ([1], [True]),
        ([9], [False]),
        ([1, 2, 3], [True, True, True]),
        ([1, 2, 3, 4], [True, True, True]),
        ([1, 9, 3], [True, False]),
    ],
)
def test_tokens_are_judged_up_to_the_first_that_came_otherwise(
    came: list[int], outcomes: list[bool]
) -> None:
    assert foretold(1, 2, 3).hold_to(came) == outcomes


def test_nothing_foretold_is_nothing_to_judge() -> None:
    one = foretold()
    assert one.hold_to([1, 2]) == []
    assert one.rate == PRIOR_RATE


def test_rate_goes_where_the_outcomes_are() -> None:
    one = foretold(1, 2)
    one.hold_to([1, 9])
    up = PRIOR_RATE + (1 - PRIOR_RATE) * RATE_WEIGHT
    assert one.rate == pytest.approx(up * (1 - RATE_WEIGHT))
    for _ in range(200):
        one.hold_to([9])
    assert one.rate < 0.001


def test_how_far_two_lists_begin_alike() -> None:
    assert num_alike([1, 2, 3], [1, 2, 4]) == 2
    assert num_alike([1, 2], [1, 2, 3]) == num_alike([1, 2, 3], [1, 2]) == 2
    assert num_alike([], [1]) == num_alike([2], [1]) == 0
