"""Which tensors a config implies."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_worker.weights.names import LM_HEAD, expected_tensors, is_harmless
from tests.worker.tiny_models import write_model_config

Q_BIAS = "model.layers.1.self_attn.q_proj.bias"
O_BIAS = "model.layers.1.self_attn.o_proj.bias"


def test_shapes_follow_heads_and_widths(tmp_path: Path) -> None:
    expected = expected_tensors(write_model_config(tmp_path, head_dim=10))
    assert expected["model.layers.0.self_attn.q_proj.weight"] == (40, 32)
    assert expected["model.layers.0.self_attn.v_proj.weight"] == (20, 32)
    assert expected["model.layers.1.self_attn.o_proj.weight"] == (32, 40)
    assert expected["model.layers.1.mlp.down_proj.weight"] == (32, 48)


def test_number_of_tensors(tmp_path: Path) -> None:
    assert len(expected_tensors(write_model_config(tmp_path))) == 2 * 9 + 3


def test_tied_embeddings_have_no_head(tmp_path: Path) -> None:
    config = write_model_config(tmp_path, tie_word_embeddings=True)
    assert LM_HEAD not in expected_tensors(config)


def test_qwen2_has_bias_on_q_k_v(tmp_path: Path) -> None:
    expected = expected_tensors(write_model_config(tmp_path, architectures=["Qwen2ForCausalLM"]))
    assert expected[Q_BIAS] == (32,)
    assert O_BIAS not in expected


def test_qwen3_has_norms_of_heads(tmp_path: Path) -> None:
    config = write_model_config(tmp_path, architectures=["Qwen3ForCausalLM"], head_dim=6)
    assert expected_tensors(config)["model.layers.0.self_attn.k_norm.weight"] == (6,)


@pytest.mark.parametrize(
    ("name", "is_tied", "harmless"),
    [
        ("model.layers.0.self_attn.rotary_emb.inv_freq", False, True),
        (LM_HEAD, True, True),
        (LM_HEAD, False, False),
        ("model.layers.9.mlp.up_proj.weight", False, False),
    ],
)
def test_documented_surplus_is_harmless(
    tmp_path: Path, name: str, is_tied: bool, harmless: bool
) -> None:
    config = write_model_config(tmp_path, tie_word_embeddings=is_tied)
    assert is_harmless(name, config) == harmless
