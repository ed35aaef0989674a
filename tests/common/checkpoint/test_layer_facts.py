"""What each layer of a family sees and how it turns, with as little stated as real files state."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint.model_config import ModelConfig, read_model_config
from forge_common.checkpoint.rope_scaling import LinearScaling, LongRopeScaling
from forge_common.errors import ModelError
from tests.common.checkpoint.files import write_config


def config_of(directory: Path, architecture: str, **changes: object) -> ModelConfig:
    changes = {"num_hidden_layers": 12, "head_dim": 4, **changes}
    return read_model_config(write_config(directory, architectures=[architecture], **changes))


def test_every_other_layer_of_gemma_2_has_a_window(tmp_path: Path) -> None:
    config = config_of(tmp_path, "Gemma2ForCausalLM", sliding_window=7)
    assert config.sliding_windows == (7, None) * 6


def test_every_sixth_layer_of_gemma_3_sees_everything_and_turns_otherwise(tmp_path: Path) -> None:
    scaling = {"rope_type": "linear", "factor": 8.0}
    config = config_of(tmp_path, "Gemma3ForCausalLM", sliding_window=7, rope_scaling=scaling)
    assert config.sliding_windows == ((7,) * 5 + (None,)) * 2
    local, full = config.ropes[0], config.ropes[5]
    assert config.ropes == ((local,) * 5 + (full,)) * 2
    assert (local.theta, local.scaling) == (10_000.0, None)
    assert (full.theta, full.scaling) == (1_000_000.0, LinearScaling(factor=8.0))


def test_pattern_that_is_stated_counts(tmp_path: Path) -> None:
    stated = {"sliding_window": 7, "sliding_window_pattern": 3}
    config = config_of(tmp_path, "Gemma3ForCausalLM", **stated)
    assert config.sliding_windows == (7, 7, None) * 4


def test_every_fourth_layer_of_smollm_3_turns_nothing(tmp_path: Path) -> None:
    config = config_of(tmp_path, "SmolLM3ForCausalLM")
    assert [rope.num_dims for rope in config.ropes] == [4, 4, 4, 0] * 3


def test_every_fourth_layer_of_cohere_2_sees_everything_and_turns_nothing(tmp_path: Path) -> None:
    config = config_of(tmp_path, "Cohere2ForCausalLM", sliding_window=7)
    assert config.sliding_windows == (7, 7, 7, None) * 3
    assert [rope.num_dims for rope in config.ropes] == [4, 4, 4, 0] * 3


@pytest.mark.parametrize("architecture", ["Phi3ForCausalLM", "MixtralForCausalLM"])
def test_families_without_a_stated_window_have_none(tmp_path: Path, architecture: str) -> None:
    config = config_of(tmp_path, architecture, num_local_experts=2)
    assert set(config.sliding_windows) == {None}


def test_part_of_a_head_is_turned(tmp_path: Path) -> None:
    config = config_of(tmp_path, "Phi3ForCausalLM", head_dim=16, partial_rotary_factor=0.75)
    assert {rope.num_dims for rope in config.ropes} == {12}


@pytest.mark.parametrize(("length", "divisor"), [(64, 1.0), (65, 2.0)])
def test_longest_served_context_decides_the_divisors(
    tmp_path: Path, length: int, divisor: float
) -> None:
    rope = {"type": "su", "short_factor": [1.0, 1.0], "long_factor": [2.0, 2.0]}
    stated = {"rope_scaling": rope, "original_max_position_embeddings": 64}
    config = config_of(
        tmp_path, "Phi3ForCausalLM", max_position_embeddings=128, **stated
    ).for_context(length)
    scaling = config.ropes[0].scaling
    assert isinstance(scaling, LongRopeScaling)
    assert scaling.divisors == (divisor, divisor)
    assert scaling.factor == 2.0


@pytest.mark.parametrize(
    ("architecture", "changes"),
    [
        ("Phi3ForCausalLM", {"rope_scaling": {"type": "longrope", "short_factor": [1.0]}}),
        (
            "Phi3ForCausalLM",
            {"rope_scaling": {"type": "longrope", "short_factor": [1.0], "long_factor": [1.0]}},
        ),
        ("SmolLM3ForCausalLM", {"no_rope_layers": [1]}),
        ("Qwen3MoeForCausalLM", {}),
        ("MixtralForCausalLM", {"num_local_experts": 2, "num_experts_per_tok": 3}),
        ("Gemma3ForCausalLM", {"use_bidirectional_attention": True}),
        ("LlamaForCausalLM", {"partial_rotary_factor": 0.5}),
    ],
)
def test_contradictions_are_refused(tmp_path: Path, architecture: str, changes: dict) -> None:
    with pytest.raises(ModelError, match=r"config\.json: "):
        config_of(tmp_path, architecture, **changes)
