"""An object's plan knows whether an end can be reached: held against trying everything."""

from __future__ import annotations

import itertools

import pytest

from forge_common.grammar.engine.object_plans import (
    Counts,
    ObjectPlan,
    OrderedPlan,
    Progress,
    UnorderedPlan,
)

DEEPEST = 6


def reachable(plan: ObjectPlan, progress: Progress, depth: int = DEEPEST) -> bool:
    if plan.can_close(progress):
        return True
    return depth > 0 and any(
        reachable(plan, step.after, depth - 1) for step in plan.steps(progress)
    )


def sequences(plan: ObjectPlan, progress: Progress, depth: int) -> set[tuple[int, ...]]:
    """Entries of all objects of at most `depth` properties."""
    found: set[tuple[int, ...]] = {()} if plan.can_close(progress) else set()
    if depth:
        for entry, after in plan.steps(progress):
            found |= {(entry, *rest) for rest in sequences(plan, after, depth - 1)}
    return found


def expected(is_required: tuple[bool, ...], counts: Counts, is_ordered: bool, depth: int) -> set:
    num_named = len(is_required)
    found = set()
    for length in range(depth + 1):
        for entries in itertools.product(range(num_named + counts.num_others), repeat=length):
            named = [entry for entry in entries if entry < num_named]
            is_right = (
                len(named) == len(set(named))
                and all(i in named for i, is_one in enumerate(is_required) if is_one)
                and length >= counts.min_properties
                and (counts.max_properties is None or length <= counts.max_properties)
            )
            if is_ordered:
                is_right = is_right and list(entries[: len(named)]) == sorted(named)
            if is_right:
                found.add(entries)
    return found


@pytest.mark.parametrize("is_required", list(itertools.product((False, True), repeat=3)))
@pytest.mark.parametrize("is_ordered", [False, True])
def test_plans_lead_to_all_objects_and_no_others(
    is_required: tuple[bool, ...], is_ordered: bool
) -> None:
    kind = OrderedPlan if is_ordered else UnorderedPlan
    for num_others, fewest, most in itertools.product((0, 1), (0, 2, 4), (None, 1, 3)):
        counts = Counts(num_others, fewest, most)
        plan = kind(is_required, counts)
        wanted = expected(is_required, counts, is_ordered, depth=4)
        assert plan.can_finish(Progress()) == bool(wanted)
        if wanted:
            assert sequences(plan, Progress(), 4) == wanted


@pytest.mark.parametrize("kind", [OrderedPlan, UnorderedPlan])
def test_no_step_leads_where_there_is_no_end(kind: type[ObjectPlan]) -> None:
    plan = kind((False, True, False), Counts(0, 2, 2))
    here = {Progress()}
    for _ in range(3):
        assert all(reachable(plan, progress) for progress in here)
        here = {step.after for progress in here for step in plan.steps(progress)}
