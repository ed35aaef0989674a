"""How much room a step needs for experts."""

from __future__ import annotations

import msgspec
import pytest

from forge_common.checkpoint.families import ExpertNames
from forge_common.checkpoint.model_config import Experts
from forge_common.device_workspace import StepLimits, activations
from forge_common.expert_workspace import ExpertRoom, expert_room, max_items
from tests.common.test_memory_plan import model_config

NAMES = ExpertNames("mlp", "gate", "gate_proj", "up_proj", "down_proj")
LIMITS = StepLimits(max_tokens=4096, max_sequences=256, max_model_len=8192, max_sampled_rows=256)


def experts_of(num_experts: int, num_chosen: int, inner: int) -> Experts:
    return Experts(num_experts, num_chosen, inner, True, NAMES)


def test_a_model_without_experts_needs_no_room() -> None:
    config = model_config()
    assert expert_room(config, 64) is None
    assert activations(config, LIMITS, 2).experts == 0


def test_a_long_step_goes_through_experts_in_slabs() -> None:
    short, long = (ExpertRoom(experts_of(128, 8, 768), 2048, rows) for rows in (100, 4096))
    assert (short.slab_rows, short.num_choices) == (100, 800)
    assert (long.slab_rows, long.num_choices) == (1024, 8192)
    assert long.shapes["outputs"] == (8192, 2048)
    assert long.shapes["scores"] == (4096, 128)


def test_what_lies_between_two_products_fits_the_layer_buffer() -> None:
    """Also where experts are wider than all else of a layer."""
    experts = experts_of(8, 4, 10_000)
    config = msgspec.structs.replace(model_config(), layer_experts=(None, experts))
    room = expert_room(config, LIMITS.max_tokens)
    assert room is not None
    assert activations(config, LIMITS, 2).layer >= 2 * room.num_choices * 10_000
    assert activations(config, LIMITS, 2).partial >= 4 * LIMITS.max_tokens * config.hidden_size


def test_layers_that_all_have_experts_need_no_room_for_gate_and_up() -> None:
    config = msgspec.structs.replace(model_config(), intermediate_size=50_000)
    experts = experts_of(8, 2, 100)
    some = msgspec.structs.replace(config, layer_experts=(None, experts))
    every = msgspec.structs.replace(config, layer_experts=(experts, experts))
    plain, beside, without = (activations(each, LIMITS, 2).layer for each in (config, some, every))
    assert plain == beside == 2 * 3 * 50_000 * LIMITS.max_tokens
    assert without < plain / 10


@pytest.mark.parametrize(
    ("num_choices", "num_experts", "tile_rows", "most"),
    [(8, 128, 8, 8), (128, 128, 16, 128), (4096, 8, 64, 72), (3, 1, 8, 1)],
)
def test_items_are_bounded_by_choices_and_by_experts(
    num_choices: int, num_experts: int, tile_rows: int, most: int
) -> None:
    """The last tile of each expert may have one choice only."""
    assert max_items(num_choices, num_experts, tile_rows) == most
