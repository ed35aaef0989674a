"""What a step needs of a GPU's memory for the experts of a model, to the byte.

A row and one of its experts are a choice. A step of many rows goes through the experts in slabs, so
that what lies between two products stays bounded. Knows sizes, not addresses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from forge_common.checkpoint import ModelConfig
from forge_common.checkpoint.model_config import Experts

MAX_CHOICES = 8192  # of a slab, where a row has not more
MIN_TILE_ROWS = 8  # choices of one expert that are multiplied together, at least
ITEM_NUMBERS = 3
NUMBER_BYTES = 4  # float32 and int32


class ExpertRoom(NamedTuple):
    """Numbers of 4 bytes each, for steps of `num_rows` rows."""

    experts: Experts
    hidden_size: int
    num_rows: int

    @property
    def slab_rows(self) -> int:
        return min(self.num_rows, max(1, MAX_CHOICES // self.experts.num_chosen))

    @property
    def num_choices(self) -> int:
        return self.slab_rows * self.experts.num_chosen

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        num_experts, num_chosen = self.experts.num_experts, self.experts.num_chosen
        return {
            "scores": (self.num_rows, num_experts),
            "chosen": (self.num_rows, num_chosen),
            "weights": (self.num_rows, num_chosen),
            "order": (self.num_choices,),
            "items": (max_items(self.num_choices, num_experts, MIN_TILE_ROWS), ITEM_NUMBERS),
            "outputs": (self.num_choices, self.hidden_size),
        }


def max_items(num_choices: int, num_experts: int, tile_rows: int) -> int:
    """The most there are when the choices of each expert are cut in tiles."""
    return min(num_choices, num_experts + num_choices // tile_rows)


def expert_room(config: ModelConfig, num_rows: int) -> ExpertRoom | None:
    """None for a model without experts; all layers that have some have the same."""
    experts = next((of_layer for of_layer in config.layer_experts if of_layer), None)
    return None if experts is None else ExpertRoom(experts, config.hidden_size, num_rows)
