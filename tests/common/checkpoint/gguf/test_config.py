"""Metadata becomes the config that a config.json of the same model would have given."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest

from forge_common.checkpoint import GenerationDefaults, ModelConfig
from forge_common.checkpoint.gguf import GgufModel
from forge_common.checkpoint.rope_scaling import LinearScaling, LongRopeScaling, YarnScaling
from forge_common.errors import ModelError
from tests.common.checkpoint.gguf.small_model import metadata, tensors, zeros
from tests.gguf_files import FileTensor, write_gguf


def model(
    tmp_path: Path, more: dict[str, FileTensor | None] | None = None, **changes: Any
) -> GgufModel:
    found = {**tensors(), **(more or {})}
    kept = {name: tensor for name, tensor in found.items() if tensor is not None}
    return GgufModel(write_gguf(tmp_path / "m.gguf", metadata(**changes), kept))


def config(tmp_path: Path, more: Any = None, **changes: Any) -> ModelConfig:
    return model(tmp_path, more, **changes).config()


def test_shape_is_that_of_the_keys(tmp_path: Path) -> None:
    found = config(tmp_path)
    assert found.architecture == "LlamaForCausalLM"
    assert (found.vocab_size, found.hidden_size, found.intermediate_size) == (8, 32, 64)
    assert (found.num_layers, found.num_heads, found.num_kv_heads, found.head_dim) == (1, 2, 1, 16)
    assert (found.max_position_embeddings, found.ropes[0].theta) == (128, 10000.0)
    assert found.rms_norm_eps == pytest.approx(1e-5)
    assert found.ropes[0].scaling is None
    assert (found.has_qkv_bias, found.has_attention_output_bias, found.has_mlp_bias) == (False,) * 3


@pytest.mark.parametrize("has_output", [True, False])
def test_head_is_tied_where_there_is_none(tmp_path: Path, has_output: bool) -> None:
    more = {"output.weight": zeros((8, 32))} if has_output else {}
    assert config(tmp_path, more).tie_word_embeddings is not has_output


def test_biases_are_there_where_their_tensors_are(tmp_path: Path) -> None:
    assert config(tmp_path, {"blk.0.attn_output.bias": zeros((32,))}).has_qkv_bias
    assert config(tmp_path, {"blk.0.ffn_up.bias": zeros((64,))}).has_mlp_bias


def test_width_of_heads_may_be_stated(tmp_path: Path) -> None:
    widths = {"llama__attention__key_length": 64, "llama__attention__value_length": 64}
    assert config(tmp_path, **widths).head_dim == 64


def test_values_of_layers_may_be_listed_where_they_are_the_same(tmp_path: Path) -> None:
    assert config(tmp_path, llama__attention__head_count_kv=[1, 1]).num_kv_heads == 1
    with pytest.raises(
        ModelError, match=r"`llama\.attention\.head_count_kv` differs between layers"
    ):
        config(tmp_path, llama__attention__head_count_kv=[1, 2])


def test_linear_scaling(tmp_path: Path) -> None:
    keys = {"llama__rope__scaling__type": "linear", "llama__rope__scaling__factor": 4.0}
    assert config(tmp_path, **keys).ropes[0].scaling == LinearScaling(factor=4.0)
    old = config(tmp_path, llama__rope__scale_linear=2.0)
    assert old.ropes[0].scaling == LinearScaling(factor=2.0)


def test_yarn_scaling(tmp_path: Path) -> None:
    scaling = (
        config(
            tmp_path,
            llama__rope__scaling__type="yarn",
            llama__rope__scaling__factor=4.0,
            llama__rope__scaling__original_context_length=32,
            llama__rope__scaling__yarn_beta_fast=16.0,
        )
        .ropes[0]
        .scaling
    )
    assert scaling == YarnScaling(factor=4.0, original_max_position_embeddings=32, beta_fast=16.0)


def test_divisors_come_from_their_tensor(tmp_path: Path) -> None:
    divisors = (1.0, 1.0, 1.5, 2.0, 4.0, 8.0, 8.0, 8.0)
    tensor = FileTensor("F32", (8,), struct.pack("<8f", *divisors))
    found = model(tmp_path, {"rope_freqs.weight": tensor})
    scaling = found.config().ropes[0].scaling
    assert isinstance(scaling, LongRopeScaling)
    assert scaling.divisors == divisors
    assert scaling.factor == 1.0
    assert not any("rope" in name for name in found.tensors())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"general__architecture": "mamba"}, "architecture mamba is unknown; known: llama, qwen2"),
        ({"general__architecture": None}, r"architecture \(none stated\) is unknown"),
        ({"llama__block_count": None}, r"missing required field `num_hidden_layers`"),
        ({"llama__embedding_length": 2**21}, r"Expected `int` <= .*\$\.hidden_size"),
        ({"llama__attention__head_count_kv": 3}, "no multiple of `num_key_value_heads`"),
        ({"llama__attention__key_length": 16}, "keys of 16 and values of None numbers a head"),
        ({"llama__rope__dimension_count": 8}, "partial_rotary_factor"),
        ({"llama__rope__scaling__type": "longrope"}, "rope scaling `longrope` is unsupported"),
        ({"tokenizer__ggml__eos_token_id": 8}, "an end token is beyond the list of tokens"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    tmp_path: Path, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ModelError, match=sentence):
        config(tmp_path, **changes)


@pytest.mark.parametrize("tensor", [zeros((3, 32)), FileTensor("F16", (8,), bytes(16))])
def test_divisors_of_another_form_are_refused(tmp_path: Path, tensor: FileTensor) -> None:
    with pytest.raises(ModelError, match=r"`rope_freqs\.weight` should be a short list"):
        config(tmp_path, {"rope_freqs.weight": tensor})


def test_sampling_defaults_are_the_makers(tmp_path: Path) -> None:
    found = model(
        tmp_path,
        general__sampling__temp=0.5,
        general__sampling__top_k=20,
        general__sampling__top_p=0.75,
        general__sampling__penalty_repeat=1.25,
    ).generation()
    assert found == GenerationDefaults(
        temperature=0.5, top_k=20, top_p=0.75, repetition_penalty=1.25, eos_token_ids=(2,)
    )


def test_sampling_defaults_have_bounds(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"sampling defaults: Expected `float` <= 1\.0"):
        model(tmp_path, general__sampling__top_p=1.5).generation()


def test_a_text_ends_in_every_way_the_file_knows(tmp_path: Path) -> None:
    tokens = ["<unk>", "<s>", "</s>", "<|im_end|>", "<|end|>", "<|eot_id|>", "a", "b"]
    kinds = [2, 3, 3, 3, 1, 3, 1, 1]
    found = model(
        tmp_path,
        tokenizer__ggml__tokens=tokens,
        tokenizer__ggml__token_type=kinds,
        tokenizer__ggml__eot_token_id=5,
    )
    assert found.generation().eos_token_ids == (2, 5, 3)
    assert found.config().eos_token_ids == (2, 5, 3)
