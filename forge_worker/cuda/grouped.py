"""GroupedProducts: rows times the weights of the experts they chose, one launch for all experts.

Few rows of each go through kernels that read each weight once (grouped_skinny.cu), many through
tiles on tensor cores (grouped_tile.cu). Where a row's bits must not depend on what runs beside it,
there is one way, tiles, since both give a row the same bits in every item but not the same as each
other. float32, and rows that are no whole vectors, have kernels of their own (grouped_scalar.cu).
Allocates nothing; knows no layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.families import Activation
from forge_common.checkpoint.model_config import Experts
from forge_worker.cuda.device import Argument, Device, Kernel, KernelSource
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.routing import Grouping
from forge_worker.cuda.shapes import address_of, require
from forge_worker.ops.protocol import Array

VECTOR = 8  # elements in 16 bytes
# Choices an expert has on average up to which most experts have one skinny item, so that none of
# their weights is read twice. Computed, not measured.
MAX_SKINNY_MEAN = 8
_THREADS = 256


class Form(NamedTuple):
    """Kernels of one file for items of at most `tile_rows` choices."""

    file: str
    tile_rows: int
    gated_features: int  # of the output, a block
    down_features: int


SKINNY_8 = Form("grouped_skinny.cu", 8, 16, 16)
SKINNY_16 = Form("grouped_skinny.cu", 16, 16, 16)
TILE = Form("grouped_tile.cu", 64, 64, 128)
SCALAR = Form("grouped_scalar.cu", 16, 16, 16)


class ExpertMatrices(NamedTuple):
    """Weights of one shape at equal distances."""

    first: Array  # [num_features, size_k], of the first expert
    stride: int  # elements from one to the next


class GroupedShapes(NamedTuple):
    precision: Precision
    hidden_size: int
    experts: Experts
    activation: Activation
    is_deterministic: bool


def grouped_shapes(sizes: EngineSizes, experts: Experts) -> GroupedShapes:
    config = sizes.config
    return GroupedShapes(
        sizes.precision, config.hidden_size, experts, config.activation, sizes.is_deterministic
    )


class GroupedProducts:
    def __init__(self, device: Device, shapes: GroupedShapes) -> None:
        self._shapes = shapes
        self._dtype = shapes.precision.dtype
        constants = (
            ("ELEMENT", shapes.precision.kernel_type),
            ("ACTIVATION", shapes.activation),
        )
        self._kernels: Mapping[str, Mapping[str, Kernel]] = {
            file: device.kernels(KernelSource(file, constants))
            for file in dict.fromkeys(form.file for form in self._forms())
        }

    def form_for(self, num_rows: int) -> Form:
        """By the number of rows alone, since only the device knows what they choose."""
        experts = self._shapes.experts
        forms = self._forms()
        mean = num_rows * experts.num_chosen / experts.num_experts
        if len(forms) == 1 or mean > MAX_SKINNY_MEAN:
            return forms[-1]
        return SKINNY_8 if num_rows <= SKINNY_8.tile_rows else SKINNY_16

    def gated(
        self, form: Form, x: Array, matrices: ExpertMatrices, grouping: Grouping, out: Array
    ) -> None:
        """out [num_choices, intermediate] = activation(gate) · up, in the order of `grouping`, of
        rows x [num_rows, hidden_size]."""
        experts, hidden = self._shapes.experts, self._shapes.hidden_size
        inner = experts.intermediate_size
        require("x", x, (len(x), hidden), self._dtype)
        require("gate|up", matrices.first, (2 * inner, hidden), self._dtype)
        require("out", out, (len(x) * experts.num_chosen, inner), self._dtype)
        grid = (len(grouping.items), -(-inner // form.gated_features), 1)
        sizes = map(np.int32, (inner, hidden, experts.num_chosen))
        arguments = (*_operands(x, matrices, grouping, out), *sizes)
        self._launch(form, "gated", grid, arguments)

    def down(
        self, form: Form, x: Array, matrices: ExpertMatrices, grouping: Grouping, out: Array
    ) -> None:
        """out [num_choices, hidden_size], float32, each choice in its place, = x · weightᵀ of
        x [num_choices, intermediate], in the order of `grouping`."""
        hidden, inner = self._shapes.hidden_size, self._shapes.experts.intermediate_size
        require("x", x, (len(x), inner), self._dtype)
        require("down", matrices.first, (hidden, inner), self._dtype)
        require("out", out, (len(x), hidden), np.float32)
        grid = (len(grouping.items), -(-hidden // form.down_features), 1)
        sizes = map(np.int32, (hidden, inner))
        arguments = (*_operands(x, matrices, grouping, out), *sizes)
        self._launch(form, "down", grid, arguments)

    def _forms(self) -> tuple[Form, ...]:
        """Those that there are; the last one takes any number of rows."""
        inner, hidden = self._shapes.experts.intermediate_size, self._shapes.hidden_size
        if self._shapes.precision is Precision.FLOAT32 or inner % VECTOR or hidden % VECTOR:
            return (SCALAR,)
        return (TILE,) if self._shapes.is_deterministic else (SKINNY_8, SKINNY_16, TILE)

    def _launch(
        self, form: Form, work: str, grid: tuple[int, int, int], arguments: tuple[Argument, ...]
    ) -> None:
        kernel = self._kernels[form.file][f"{work}_of_{form.tile_rows}"]
        kernel(grid, (_THREADS, 1, 1), arguments)


def _operands(
    x: Array, matrices: ExpertMatrices, grouping: Grouping, out: Array
) -> tuple[Argument, ...]:
    return (out, x, matrices.first, np.int64(matrices.stride), *grouping)


def matrices_of(weights: Sequence[Array]) -> ExpertMatrices:
    """Of all experts of a layer. ValueError unless they lie at equal distances, as an arena places
    what is loaded in turn."""
    first = weights[0]
    for weight in weights:
        require("an expert's weight", weight, tuple(first.shape), first.dtype)
    addresses = [address_of(weight) for weight in weights]
    strides = {after - before for before, after in pairwise(addresses)}
    if len(strides) > 1:
        raise ValueError("the weights of experts do not lie at equal distances")
    return ExpertMatrices(first, strides.pop() // first.dtype.itemsize if strides else 0)
