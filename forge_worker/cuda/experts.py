"""MixedExperts: the feed-forward part of a layer with experts, on the device.

    norm ─▶ scores ─▶ choices ─▶ [ order ─▶ gated products ─▶ down ─▶ weighted sum ]  a slab of rows

The host learns nothing of what was chosen, so all of it can be recorded. Knows no layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from forge_worker.cuda.grouped import ExpertMatrices, GroupedProducts, matrices_of
from forge_worker.cuda.products import Products
from forge_worker.cuda.routing import Choices, Grouping, Live, Routing
from forge_worker.cuda.shapes import address_of
from forge_worker.ops.protocol import Array, Expert, ExpertChoice, LinearWeights, RmsNorm


class ExpertScratch(NamedTuple):
    """As expert_workspace.py has it, and room for what lies between the two products."""

    scores: Array  # float32 [num_rows, num_experts]
    choices: Choices  # of as many rows
    grouping: Grouping  # of a slab of them
    gated: Array  # [choices of a slab, intermediate] of the precision
    outputs: Array  # float32 [choices of a slab, hidden_size]


class LayerMatrices(NamedTuple):
    gate_up: ExpertMatrices
    down: ExpertMatrices


class MixedExperts:
    def __init__(
        self,
        products: Products,
        grouped: GroupedProducts,
        routing: Routing,
        scratch: ExpertScratch,
        live_counts: Array,
    ) -> None:
        """`live_counts`: as a DeviceStep has them, at an address that does not change."""
        self._products = products
        self._grouped = grouped
        self._routing = routing
        self._scratch = scratch
        self._live_counts = live_counts
        num_chosen = scratch.choices.chosen.shape[1]
        self._slab_rows = len(scratch.grouping.order) // num_chosen
        self._layers: dict[int, LayerMatrices] = {}

    def __call__(
        self,
        residual: Array,
        norm: RmsNorm | None,
        choice: ExpertChoice,
        experts: Sequence[Expert],
        out: Array,
    ) -> None:
        """Queue out, float32 [T, hidden_size], = what the experts of each row make of it."""
        num_rows = len(residual)
        normed = self._products.normed(residual, norm)
        scores = self._scratch.scores[:num_rows]
        choices = Choices(*(array[:num_rows] for array in self._scratch.choices))
        self._products.partial(normed, LinearWeights(choice.router, None), scores)
        self._routing.choose(scores, choices)
        matrices = self._matrices(experts)
        for start in range(0, num_rows, self._slab_rows):
            rows = slice(start, min(start + self._slab_rows, num_rows))
            of_rows = Choices(choices.chosen[rows], choices.weights[rows])
            live = Live(self._live_counts, start)
            outputs = self._outputs(normed[rows], of_rows, matrices, live)
            self._routing.mix(outputs, of_rows.weights, out[rows], live)

    def _outputs(self, x: Array, choices: Choices, matrices: LayerMatrices, live: Live) -> Array:
        """Of each choice of a live row."""
        num_choices = choices.chosen.size
        form = self._grouped.form_for(len(x))
        grouping = self._routing.group(choices, self._scratch.grouping, form.tile_rows, live)
        gated = self._scratch.gated[:num_choices]
        outputs = self._scratch.outputs[:num_choices]
        self._grouped.gated(form, x, matrices.gate_up, grouping, gated)
        self._grouped.down(form, gated, matrices.down, grouping, outputs)
        return outputs

    def _matrices(self, experts: Sequence[Expert]) -> LayerMatrices:
        """Where they lie is looked at once."""
        address = address_of(experts[0].gate_up.weight)
        if address not in self._layers:
            self._layers[address] = LayerMatrices(
                matrices_of([expert.gate_up.weight for expert in experts]),
                matrices_of([expert.down.weight for expert in experts]),
            )
        return self._layers[address]
