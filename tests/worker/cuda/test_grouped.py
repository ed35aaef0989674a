"""Products of rows with the experts they chose, against float64, in every form."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pytest

from forge_common.checkpoint.model_config import Experts
from forge_worker.cuda.device import Device
from forge_worker.cuda.grouped import (
    SCALAR,
    SKINNY_8,
    SKINNY_16,
    TILE,
    ExpertMatrices,
    Form,
    GroupedProducts,
    GroupedShapes,
    matrices_of,
)
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.routing import Routing
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.expert_cases import (
    ExpertWeights,
    Floats,
    choices_on,
    drawn_choices,
    empty_grouping,
    experts_of,
    live_on,
    silu,
)

BF16, F16, F32 = Precision.BFLOAT16, Precision.FLOAT16, Precision.FLOAT32
UNIT_ROUNDOFF = {BF16: 2.0**-8, F16: 2.0**-11, F32: 2.0**-24}
SUM_ROUNDOFF = 2.0**-18  # of float32 sums, as a share of the sum of absolute values
FORMS = [SKINNY_8, SKINNY_16, TILE]


class Case(NamedTuple):
    precision: Precision
    experts: Experts
    hidden: int
    num_rows: int

    def products(self, device: Device, *, is_deterministic: bool = False) -> GroupedProducts:
        shapes = (self.precision, self.hidden, self.experts, "silu", is_deterministic)
        return GroupedProducts(device, GroupedShapes(*shapes))

    @property
    def weights(self) -> ExpertWeights:
        return ExpertWeights.drawn(self.precision, self.experts, self.hidden)

    def rows(self, width: int) -> Floats:
        random = np.random.default_rng(width)
        return self.precision.rounded(random.standard_normal((self.num_rows, width), np.float32))


class Result(NamedTuple):
    """Of each choice, row after row."""

    gated: Floats
    outputs: Floats


def run(device: Device, case: Case, form: Form, x: Floats | None = None) -> Result:
    """Both products, one after the other."""
    precision, experts, hidden, num_rows = case
    num_choices, inner = num_rows * experts.num_chosen, experts.intermediate_size
    x = case.rows(hidden) if x is None else x
    choices = choices_on(device, drawn_choices(num_rows, experts))
    empty = empty_grouping(device, num_rows, experts)
    live = live_on(device, num_rows)
    grouping = Routing(device, experts).group(choices, empty, form.tile_rows, live)
    gated = empty_on(device, (num_choices, inner), precision.dtype)
    outputs = empty_on(device, (num_choices, hidden), np.float32)
    gate_up, down = (placed(device, weights) for weights in case.weights)
    products = case.products(device)
    products.gated(form, on_device(device, x), gate_up, grouping, gated)
    products.down(form, gated, down, grouping, outputs)
    by_choice = np.empty_like(to_host(device, gated))
    by_choice[to_host(device, grouping.order)] = to_host(device, gated)
    return Result(by_choice, to_host(device, outputs))


def placed(device: Device, weights: Floats) -> ExpertMatrices:
    return matrices_of(list(on_device(device, weights)))


def assert_right(case: Case, found: Result) -> None:
    experts = drawn_choices(case.num_rows, case.experts).experts.reshape(-1)
    wide = case.precision.widened
    gate_up, down = (wide(weights).astype(float)[experts] for weights in case.weights)
    x = np.repeat(wide(case.rows(case.hidden)), case.experts.num_chosen, axis=0)
    gate, up = np.split(np.einsum("cfk,ck->cf", gate_up, x), 2, axis=1)
    sums = np.einsum("cfk,ck->cf", abs(gate_up), abs(x))
    slack = 2.2 * np.prod(np.split(sums, 2, axis=1), axis=0) + sum(np.split(sums, 2, axis=1))
    expected, gated = silu(gate) * up, wide(found.gated).astype(float)
    allowed = UNIT_ROUNDOFF[case.precision] * abs(expected) + SUM_ROUNDOFF * slack
    assert np.all(abs(gated - expected) <= allowed)
    outputs = np.einsum("cfk,ck->cf", down, gated)
    magnitude = np.einsum("cfk,ck->cf", abs(down), abs(gated))
    assert np.all(abs(found.outputs - outputs) <= SUM_ROUNDOFF * magnitude)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("precision", [BF16, F16])
@pytest.mark.parametrize(("hidden", "inner"), [(64, 24), (8, 8), (200, 136), (136, 200)])
def test_products_are_those_of_float64(
    device: Device, form: Form, precision: Precision, hidden: int, inner: int
) -> None:
    """Of a few rows, of which an expert gets none or several."""
    case = Case(precision, experts_of(5, 2, inner), hidden, 7)
    assert_right(case, run(device, case, form))


@pytest.mark.parametrize("form", FORMS)
def test_an_expert_may_have_many_items(device: Device, form: Form) -> None:
    """150 choices, of which none has fewer than 65, so that items of every form are cut."""
    case = Case(BF16, experts_of(2, 2, 24), 40, 75)
    assert_right(case, run(device, case, form))


@pytest.mark.parametrize("precision", [BF16, F16, F32])
@pytest.mark.parametrize(("hidden", "inner"), [(64, 24), (36, 20), (8, 3)])
@pytest.mark.parametrize("num_rows", [1, 40])
def test_what_tensor_cores_do_not_take_is_multiplied_too(
    device: Device, precision: Precision, hidden: int, inner: int, num_rows: int
) -> None:
    case = Case(precision, experts_of(3, 2, inner), hidden, num_rows)
    is_odd = precision is F32 or bool(inner % 8 or hidden % 8)
    form = SCALAR if is_odd else case.products(device).form_for(num_rows)
    assert (case.products(device).form_for(num_rows) == SCALAR) == is_odd
    assert_right(case, run(device, case, form))


@pytest.mark.parametrize("form", FORMS)
def test_bits_of_a_row_do_not_depend_on_the_others(device: Device, form: Form) -> None:
    """Nor on its place in an item, and rows that are NaN spoil no other."""
    case = Case(BF16, experts_of(2, 2, 24), 136, 70)
    whole, x = run(device, case, form), case.rows(136)
    for num_rows in (1, 9, 66):
        first = run(device, case._replace(num_rows=num_rows), form, x[:num_rows])
        assert first.outputs.tobytes() == whole.outputs[: 2 * num_rows].tobytes()
    spoilt = x.copy()
    spoilt[1:] = BF16.rounded(np.full(1, np.nan, np.float32))
    assert run(device, case, form, spoilt).outputs[:2].tobytes() == whole.outputs[:2].tobytes()


@pytest.mark.parametrize("form", FORMS)
def test_every_schedule_gives_the_same_bits(schedules: list[Device], form: Form) -> None:
    case = Case(BF16, experts_of(4, 2, 72), 136, 12)
    first, *others = [run(device, case, form).outputs.tobytes() for device in schedules]
    assert others == [first] * len(others)


def test_the_form_follows_from_the_number_of_rows(device: Device) -> None:
    qwen = Case(BF16, experts_of(128, 8), 64, 1).products(device)
    assert [qwen.form_for(rows) for rows in (1, 8, 9, 128, 129)] == [
        *(SKINNY_8, SKINNY_8, SKINNY_16, SKINNY_16, TILE)
    ]
    case = Case(BF16, experts_of(128, 8), 64, 1)
    deterministic = case.products(device, is_deterministic=True)
    assert {deterministic.form_for(rows) for rows in (1, 16, 1000)} == {TILE}
    single = Case(F32, experts_of(128, 8), 64, 1).products(device)
    assert {single.form_for(rows) for rows in (1, 16, 1000)} == {SCALAR}


def test_weights_that_lie_anyhow_are_refused() -> None:
    memory = np.zeros(100, np.uint16)
    arrays: list[Any] = [memory[start : start + 6].reshape(2, 3) for start in (0, 10, 20)]
    assert matrices_of(arrays).stride == 10
    assert matrices_of(arrays[:1]).stride == 0
    arrays[2] = memory[30:36].reshape(2, 3)
    with pytest.raises(ValueError, match="equal distances"):
        matrices_of(arrays)
    arrays[2] = memory[20:26].reshape(3, 2)
    with pytest.raises(ValueError, match="expert's weight"):
        matrices_of(arrays)


def test_wrong_arrays_are_refused_by_name(device: Device) -> None:
    case = Case(BF16, experts_of(3, 2, 24), 64, 4)
    with pytest.raises(ValueError, match="x is"):
        run(device, case, TILE, np.zeros((4, 60), np.uint16))
