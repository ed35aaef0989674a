"""An array's plan knows whether an end can be reached: held against trying everything."""

from __future__ import annotations

import itertools

import pytest

from forge_common.grammar.engine.arrays import ArrayPlan, PlaceKind, Progress
from forge_common.grammar.program import Array, Contains

KINDS = tuple(itertools.starmap(PlaceKind, itertools.product((False, True), repeat=2)))
LONGEST = 7


def can_finish(plan: ArrayPlan, progress: Progress, depth: int = LONGEST) -> bool:
    if plan.can_close(progress) and is_within(plan, progress):
        return True
    if depth == 0 or progress.max_left == 0:
        return False
    kind = plan.kind_at(progress)
    choices = [False] * kind.has_other + [True] * kind.has_matching
    return any(can_finish(plan, plan.after_item(progress, choice), depth - 1) for choice in choices)


def is_within(plan: ArrayPlan, progress: Progress) -> bool:
    most = plan.contains.max_count
    return most is None or progress.num_matching <= most


@pytest.mark.parametrize("prefix", [*itertools.product(KINDS, repeat=2), (), (KINDS[3],)])
def test_ends_are_known_before_they_are_reached(prefix: tuple[PlaceKind, ...]) -> None:
    counts = [None, Contains(0, 1), Contains(1), Contains(2, 2), Contains(3, 3)]
    lengths = [(0, None), (0, 2), (2, 3), (3, None), (4, 4)]
    for rest, contains, (fewest, most) in itertools.product(KINDS, counts, lengths):
        rule = Array(min_items=fewest, max_items=most, contains=contains)
        plan = ArrayPlan(rule, prefix, rest)
        here = {plan.start}
        for _ in range(4):
            for progress in here:
                assert plan.can_finish(progress) == can_finish(plan, progress)
            here = {
                plan.after_item(progress, is_matching)
                for progress in here
                if progress.max_left != 0
                for is_matching in (False, True)
            }
