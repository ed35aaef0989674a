"""Which experts rows take, in which order they are multiplied, and what is made of it."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.checkpoint.model_config import Experts
from forge_common.expert_workspace import max_items
from forge_worker.cpu.expert_rows import by_expert
from forge_worker.cuda.device import Device
from forge_worker.cuda.routing import Live, Routing
from forge_worker.ops.protocol import ExpertChoice
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.expert_cases import (
    Chosen,
    Floats,
    choices_on,
    drawn_choices,
    empty_choices,
    empty_grouping,
    exactly_chosen,
    experts_of,
    live_on,
)

MIXTRAL = experts_of(8, 2)
QWEN = experts_of(128, 8)
ODD = experts_of(37, 3, is_renormalised=False)
ALL = [MIXTRAL, QWEN, ODD, experts_of(1, 1), experts_of(6, 6), experts_of(64, 8)]


def choose(device: Device, scores: Floats, experts: Experts) -> Chosen:
    choices = empty_choices(device, len(scores), experts)
    Routing(device, experts).choose(on_device(device, scores), choices)
    return Chosen(*(to_host(device, array) for array in choices))


def scores_of(num_rows: int, experts: Experts) -> Floats:
    random = np.random.default_rng(num_rows)
    return random.normal(0, 3, (num_rows, experts.num_experts)).astype(np.float32)


@pytest.mark.parametrize("experts", ALL)
@pytest.mark.parametrize("num_rows", [1, 4, 7])
def test_the_best_experts_are_chosen_and_weighted(
    device: Device, experts: Experts, num_rows: int
) -> None:
    scores = scores_of(num_rows, experts)
    found, expected = choose(device, scores, experts), exactly_chosen(scores, experts)
    np.testing.assert_array_equal(found.experts, expected.experts)
    np.testing.assert_allclose(found.weights, expected.weights, rtol=1e-5)


def test_choices_are_those_of_the_cpu(device: Device) -> None:
    scores = scores_of(20, QWEN)
    found = choose(device, scores, QWEN)
    choice = ExpertChoice(scores, QWEN.num_chosen, QWEN.is_renormalised)
    for expert, rows, weights in by_expert(scores, choice):
        np.testing.assert_array_equal(np.flatnonzero((found.experts == expert).any(1)), rows)
        np.testing.assert_allclose(found.weights[found.experts == expert], weights, rtol=1e-5)


def test_of_equal_scores_the_first_experts_are_chosen(device: Device) -> None:
    scores = np.zeros((3, 128), np.float32)
    scores[1, ::2] = -0.0
    scores[2, 50:60] = 1
    found = choose(device, scores, QWEN)
    first = list(range(8))
    assert found.experts.tolist() == [first, first, [50 + place for place in first]]
    np.testing.assert_allclose(found.weights, np.full((3, 8), 0.125), rtol=1e-6)


def test_scores_that_are_no_numbers_choose_different_experts_with_weights_that_are_none(
    device: Device,
) -> None:
    """A row of them must harm no other, nor memory."""
    scores = scores_of(4, MIXTRAL)
    scores[0] = np.nan
    scores[1, 3] = np.inf
    scores[2] = -np.inf
    found = choose(device, scores, MIXTRAL)
    assert np.isnan(found.weights[:3]).all()
    assert all(0 <= low < high < 8 for low, high in found.experts.tolist())
    np.testing.assert_array_equal(found.experts[3:], exactly_chosen(scores[3:], MIXTRAL).experts)


def grouped(
    device: Device, chosen: Chosen, experts: Experts, tile_rows: int, live: Live | None = None
) -> tuple[list[int], list[list[int]]]:
    num_rows = len(chosen.experts)
    grouping = empty_grouping(device, num_rows, experts)
    live = live or live_on(device, num_rows)
    choices = choices_on(device, chosen)
    taken = Routing(device, experts).group(choices, grouping, tile_rows, live)
    order, items = (to_host(device, array).tolist() for array in taken)
    return order, items


@pytest.mark.parametrize("experts", ALL)
@pytest.mark.parametrize("tile_rows", [8, 16, 64])
@pytest.mark.parametrize("num_rows", [1, 5, 90])
def test_choices_are_sorted_by_expert_and_cut_in_items(
    device: Device, experts: Experts, tile_rows: int, num_rows: int
) -> None:
    chosen = drawn_choices(num_rows, experts)
    order, items = grouped(device, chosen, experts, tile_rows)
    flat = chosen.experts.reshape(-1)
    assert order == np.argsort(flat, kind="stable").tolist()
    assert len(items) == max_items(flat.size, experts.num_experts, tile_rows)
    needed = [item for item in items if item[2]]
    assert items[len(needed) :] == [item for item in items if not item[2]]
    places = [place for _, first, count in needed for place in range(first, first + count)]
    assert places == list(range(flat.size))
    for expert, first, count in needed:
        assert 1 <= count <= tile_rows
        assert {flat[order[place]] for place in range(first, first + count)} == {expert}


def test_one_expert_may_be_chosen_by_all(device: Device) -> None:
    """The most items of one expert, and none of most."""
    chosen = Chosen(np.full((50, 1), 3, np.int32), np.ones((50, 1)))
    order, items = grouped(device, chosen, experts_of(8, 1), 8)
    assert order == list(range(50))
    assert [item for item in items if item[2]] == [
        [3, first, min(8, 50 - first)] for first in range(0, 50, 8)
    ]


@pytest.mark.parametrize(("num_live", "first_row", "num_here"), [(7, 0, 7), (7, 5, 2), (3, 5, 0)])
def test_rows_that_idle_in_a_graph_ask_for_no_expert(
    device: Device, num_live: int, first_row: int, num_here: int
) -> None:
    """Their choices may be anything."""
    chosen = drawn_choices(9, QWEN)
    order, items = grouped(device, chosen, QWEN, 8, live_on(device, num_live, first_row))
    flat = chosen.experts[:num_here].reshape(-1)
    assert order[: flat.size] == np.argsort(flat, kind="stable").tolist()
    assert sum(count for _, _, count in items) == flat.size
    assert {expert for expert, _, count in items if count} == set(flat.tolist())


@pytest.mark.parametrize("width", [4, 64, 1028])
def test_outputs_are_weighted_and_summed_in_the_order_of_experts(
    device: Device, width: int
) -> None:
    chosen = drawn_choices(5, QWEN)
    outputs = np.random.default_rng(1).standard_normal((40, width), np.float32)
    mixed = empty_on(device, (5, width), np.float32)
    weights = chosen.weights.astype(np.float32)
    arguments = [on_device(device, array) for array in (outputs, weights)]
    Routing(device, QWEN).mix(*arguments, mixed, live_on(device, 7, 3))
    expected = np.einsum("rc,rcw->rw", chosen.weights, outputs.reshape(5, 8, width))
    expected[4:] = 0  # the eighth row of a step in which seven are live
    np.testing.assert_allclose(to_host(device, mixed), expected, rtol=1e-5, atol=1e-6)


def test_every_schedule_gives_the_same_bits(schedules: list[Device]) -> None:
    scores, chosen = scores_of(9, ODD), drawn_choices(70, ODD)
    first, *others = [choose(device, scores, ODD).weights.tobytes() for device in schedules]
    assert others == [first] * len(others)
    order, *more = [grouped(device, chosen, ODD, 16) for device in schedules]
    assert more == [order] * len(more)


def test_no_rows_choose_nothing(device: Device) -> None:
    assert choose(device, scores_of(0, MIXTRAL), MIXTRAL).experts.shape == (0, 2)


def test_wrong_arrays_are_refused_by_name(device: Device) -> None:
    routing, choices = Routing(device, MIXTRAL), empty_choices(device, 3, MIXTRAL)
    with pytest.raises(ValueError, match="scores"):
        routing.choose(empty_on(device, (3, 9), np.float32), choices)
    with pytest.raises(ValueError, match="chosen"):
        routing.choose(empty_on(device, (4, 8), np.float32), choices)
    with pytest.raises(ValueError, match="order"):
        routing.group(choices, empty_grouping(device, 2, MIXTRAL), 8, live_on(device, 3))
