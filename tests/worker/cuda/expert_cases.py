"""Rows, what they choose, and what comes of it in float64, for the tests of experts."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint.families import ExpertNames
from forge_common.checkpoint.model_config import Experts
from forge_common.expert_workspace import ExpertRoom
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.routing import Choices, Grouping, Live
from tests.worker.cuda.arrays import empty_on, on_device

Floats = npt.NDArray[Any]

NAMES = ExpertNames("mlp", "gate", "gate_proj", "up_proj", "down_proj")


def experts_of(
    num_experts: int, num_chosen: int, inner: int = 24, *, is_renormalised: bool = True
) -> Experts:
    return Experts(num_experts, num_chosen, inner, is_renormalised, NAMES)


class Chosen(NamedTuple):
    """On the host."""

    experts: npt.NDArray[np.int32]  # [num_rows, num_chosen], in their order
    weights: Floats


def exactly_chosen(scores: Floats, experts: Experts) -> Chosen:
    """By sorting, in float64."""
    order = np.argsort(-scores, axis=1, kind="stable")[:, : experts.num_chosen]
    chosen = np.sort(order, axis=1).astype(np.int32)
    exps = np.exp(scores.astype(float) - scores.max(axis=1, keepdims=True))
    weights = np.take_along_axis(exps / exps.sum(axis=1, keepdims=True), chosen, axis=1)
    if experts.is_renormalised:
        weights = weights / weights.sum(axis=1, keepdims=True)
    return Chosen(chosen, weights)


def drawn_choices(num_rows: int, experts: Experts, seed: int = 0) -> Chosen:
    random = np.random.default_rng(seed)
    return exactly_chosen(random.standard_normal((num_rows, experts.num_experts)), experts)


def choices_on(device: Device, chosen: Chosen) -> Choices:
    weights = chosen.weights.astype(np.float32)
    return Choices(on_device(device, chosen.experts), on_device(device, weights))


def empty_choices(device: Device, num_rows: int, experts: Experts) -> Choices:
    shape = (num_rows, experts.num_chosen)
    return Choices(empty_on(device, shape, np.int32), empty_on(device, shape, np.float32))


def empty_grouping(device: Device, num_rows: int, experts: Experts) -> Grouping:
    shapes = ExpertRoom(experts, 8, num_rows).shapes
    return Grouping(*(empty_on(device, shapes[name], np.int32) for name in ("order", "items")))


def live_on(device: Device, num_live: int, first_row: int = 0) -> Live:
    return Live(on_device(device, np.array([num_live, 0, 0, 0], np.int32)), first_row)


class ExpertWeights(NamedTuple):
    """Of all experts, in the bits of the precision."""

    gate_up: Floats  # [num_experts, 2 · inner, hidden]
    down: Floats  # [num_experts, hidden, inner]

    @classmethod
    def drawn(cls, precision: Precision, experts: Experts, hidden: int) -> ExpertWeights:
        random = np.random.default_rng(5)
        inner, num_experts = experts.intermediate_size, experts.num_experts

        def draw(*shape: int) -> Floats:
            values = random.standard_normal(shape, np.float32) / np.float32(np.sqrt(shape[-1]))
            return precision.rounded(values)

        return cls(draw(num_experts, 2 * inner, hidden), draw(num_experts, hidden, inner))


def silu(x: Floats) -> Floats:
    return x / (1 + np.exp(-x))
