"""What `config.json` means, family by family, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.checkpoint.model_config import ModelConfig, read_model_config
from forge_common.errors import ModelError
from tests.common.checkpoint.files import write_config


def config_of(directory: Path, **changes: object) -> ModelConfig:
    return read_model_config(write_config(directory, **changes))


def test_absent_fields_have_the_family_defaults(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    assert (config.num_kv_heads, config.head_dim, config.ropes[0].theta) == (4, 4, 10_000.0)
    assert not any((config.tie_word_embeddings, config.has_qkv_bias, config.has_mlp_bias))
    assert config.sliding_windows == (None, None, None)
    assert config.eos_token_ids == ()


def test_stated_fields_are_taken(tmp_path: Path) -> None:
    config = config_of(
        tmp_path, num_key_value_heads=2, head_dim=8, rope_theta=5e5, tie_word_embeddings=True
    )
    assert (config.num_kv_heads, config.head_dim, config.ropes[0].theta) == (2, 8, 5e5)
    assert config.num_queries_per_kv == 2
    assert config.tie_word_embeddings


@pytest.mark.parametrize(("eos", "ids"), [(2, (2,)), ([2, 7], (2, 7)), (None, ())])
def test_end_of_sequence_is_one_or_several(tmp_path: Path, eos: object, ids: object) -> None:
    assert config_of(tmp_path, eos_token_id=eos).eos_token_ids == ids


@pytest.mark.parametrize("field", ["dtype", "torch_dtype"])
def test_dtype_is_read_under_both_names(tmp_path: Path, field: str) -> None:
    assert config_of(tmp_path, **{field: "bfloat16"}).dtype == "bfloat16"


def test_llama_reads_its_biases(tmp_path: Path) -> None:
    config = config_of(tmp_path, attention_bias=True, mlp_bias=True)
    assert config.has_qkv_bias
    assert config.has_attention_output_bias
    assert config.has_mlp_bias


def test_llama_has_no_window(tmp_path: Path) -> None:
    assert config_of(tmp_path, sliding_window=8).sliding_windows == (None, None, None)


@pytest.mark.parametrize(("stated", "window"), [({"sliding_window": 8}, 8), ({}, 4096)])
def test_mistral_slides_in_every_layer(tmp_path: Path, stated: dict, window: int) -> None:
    config = config_of(tmp_path, architectures=["MistralForCausalLM"], **stated)
    assert config.sliding_windows == (window,) * 3


def test_mistral_without_window_sees_everything(tmp_path: Path) -> None:
    config = config_of(tmp_path, architectures=["MistralForCausalLM"], sliding_window=None)
    assert config.sliding_windows == (None, None, None)


def test_qwen2_has_bias_on_q_k_v_only(tmp_path: Path) -> None:
    config = config_of(tmp_path, architectures=["Qwen2ForCausalLM"], attention_bias=True)
    assert config.has_qkv_bias
    assert not config.has_attention_output_bias


@pytest.mark.parametrize(
    ("stated", "windows"),
    [
        ({"sliding_window": 8}, (None, None, None)),
        ({"sliding_window": 8, "use_sliding_window": True}, (None, None, None)),
        ({"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 1}, (None, 8, 8)),
    ],
)
def test_qwen_slides_only_where_asked(tmp_path: Path, stated: dict, windows: object) -> None:
    config = config_of(tmp_path, architectures=["Qwen2ForCausalLM"], **stated)
    assert config.sliding_windows == windows


def test_layer_types_decide_where_stated(tmp_path: Path) -> None:
    kinds = ["sliding_attention", "full_attention", "sliding_attention"]
    config = config_of(
        tmp_path,
        architectures=["Qwen3ForCausalLM"],
        use_sliding_window=True,
        sliding_window=8,
        layer_types=kinds,
    )
    assert config.sliding_windows == (8, None, 8)


def test_qwen3_norms_heads_of_its_own_size(tmp_path: Path) -> None:
    config = config_of(tmp_path, architectures=["Qwen3ForCausalLM"])
    assert config.qk_norm == "head"
    assert config.head_dim == 128


def test_unknown_architecture_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"FooLM is unknown; known: LlamaForCausalLM, Mistral"):
        config_of(tmp_path, architectures=["FooLM"])


def test_unknown_architecture_is_named_before_its_fields(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="FooLM"):
        config_of(tmp_path, architectures=["FooLM"], vocab_size=None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("vocab_size", 0),
        ("vocab_size", 2**40),
        ("hidden_size", -1),
        ("num_hidden_layers", 10**9),
        ("num_attention_heads", "4"),
        ("head_dim", 5),
        ("rms_norm_eps", 0),
        ("max_position_embeddings", None),
        ("hidden_act", "gelu"),
        ("dtype", "float8"),
        ("sliding_window", 0),
        ("layer_types", ["odd"] * 3),
        ("eos_token_id", -1),
        ("quantization_config", {"bits": 4}),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(
    tmp_path: Path, field: str, value: object
) -> None:
    with pytest.raises(ModelError, match=rf"config\.json: .*{field}"):
        config_of(tmp_path, **{field: value})


@pytest.mark.parametrize(
    "changes",
    [
        {"num_key_value_heads": 3},
        {"num_attention_heads": 3},
        {"layer_types": ["full_attention"]},
        {"partial_rotary_factor": 0.5},
    ],
)
def test_contradictions_are_refused(tmp_path: Path, changes: dict) -> None:
    with pytest.raises(ModelError, match=r"config\.json: "):
        config_of(tmp_path, **changes)
