"""Routing: which experts rows take, and in which order they are multiplied: kernels/route.cu.

Nothing is asked back from the device, and what is launched depends on the number of rows alone.
Knows no weights.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.model_config import Experts
from forge_common.expert_workspace import ITEM_NUMBERS, max_items
from forge_worker.cuda.device import Argument, Device, KernelSource
from forge_worker.cuda.shapes import require
from forge_worker.ops.protocol import Array

_ROWS_PER_BLOCK = 4
_CHOOSE_THREADS = 128
_THREADS = 256
_WIDTH = 4  # columns that a thread mixes


class Choices(NamedTuple):
    """Of some rows, an entry for each row and each place."""

    chosen: Array  # int32 [num_rows, num_chosen]: experts, in their order
    weights: Array  # float32, likewise


class Grouping(NamedTuple):
    """Choices expert by expert, and cut in items."""

    order: Array  # int32 [num_choices]
    items: Array  # int32 [num_items, 3]: expert, place of the first in the order, how many


class Live(NamedTuple):
    """Which rows are not there only because a graph is wider than its step."""

    counts: Array  # int32 [4], of which the first is how many rows of the step are live
    first_row: int  # of the step, that is the first here

    @property
    def arguments(self) -> tuple[Argument, ...]:
        require("counts", self.counts, (4,), np.int32)
        return self.counts, np.int32(self.first_row)


class Routing:
    def __init__(self, device: Device, experts: Experts) -> None:
        self._num_experts = experts.num_experts
        self._num_chosen = experts.num_chosen
        constants = (
            ("NUM_EXPERTS", experts.num_experts),
            ("NUM_CHOSEN", experts.num_chosen),
            ("IS_RENORMALISED", int(experts.is_renormalised)),
        )
        self._kernels = device.kernels(KernelSource("route.cu", constants))

    def choose(self, scores: Array, choices: Choices) -> None:
        """Queue the choices of float32 scores [num_rows, num_experts]."""
        num_rows = len(scores)
        require("scores", scores, (num_rows, self._num_experts), np.float32)
        self._require(choices, num_rows)
        if num_rows:
            grid = (-(-num_rows // _ROWS_PER_BLOCK), 1, 1)
            arguments = (scores, *choices, np.int32(num_rows))
            self._kernels["choose_experts"](grid, (_CHOOSE_THREADS, 1, 1), arguments)

    def group(self, choices: Choices, grouping: Grouping, tile_rows: int, live: Live) -> Grouping:
        """Queue the order of the `choices` of live rows, in items of at most `tile_rows`: the part
        of `grouping` that they may take."""
        num_choices, num_rows = choices.chosen.size, len(choices.chosen)
        self._require(choices, num_rows)
        num_items = max_items(num_choices, self._num_experts, tile_rows)
        taken = Grouping(grouping.order[:num_choices], grouping.items[:num_items])
        require("order", taken.order, (num_choices,), np.int32)
        require("items", taken.items, (num_items, ITEM_NUMBERS), np.int32)
        sizes = map(np.int32, (num_rows, num_items, tile_rows))
        arguments = (choices.chosen, *taken, *live.arguments, *sizes)
        self._kernels["sort_choices"]((self._num_experts, 1, 1), (_THREADS, 1, 1), arguments)
        return taken

    def mix(self, outputs: Array, weights: Array, mixed: Array, live: Live) -> None:
        """Queue mixed [num_rows, n] = sum of weight · output over each row's choices, in their
        order, and 0 of a row that is not live; outputs [num_rows · num_chosen, n], all float32."""
        num_rows, width = mixed.shape
        require("outputs", outputs, (num_rows * self._num_chosen, width), np.float32)
        require("weights", weights, (num_rows, self._num_chosen), np.float32)
        require("mixed", mixed, (num_rows, width), np.float32)
        num_vectors = width // _WIDTH
        grid = (num_rows, -(-num_vectors // _THREADS), 1)
        arguments = (outputs, weights, mixed, *live.arguments, np.int32(num_vectors))
        self._kernels["mix_experts"](grid, (_THREADS, 1, 1), arguments)

    def _require(self, choices: Choices, num_rows: int) -> None:
        shape = (num_rows, self._num_chosen)
        require("chosen", choices.chosen, shape, np.int32)
        require("weights", choices.weights, shape, np.float32)
