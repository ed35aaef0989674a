"""A Llama directory with random weights, for speed only: what it says means nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import save_file


class Shape(NamedTuple):
    """Sizes of a Llama with as many KV heads as heads, and tied embeddings."""

    hidden_size: int
    intermediate_size: int
    num_layers: int
    num_heads: int
    vocab_size: int


SHAPE_110M = Shape(768, 2048, 12, 12, 32000)


def write_random_model(directory: Path, shape: Shape) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": shape.hidden_size,
        "intermediate_size": shape.intermediate_size,
        "num_hidden_layers": shape.num_layers,
        "num_attention_heads": shape.num_heads,
        "num_key_value_heads": shape.num_heads,
        "vocab_size": shape.vocab_size,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "hidden_act": "silu",
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "eos_token_id": 2,
    }
    (directory / "config.json").write_text(json.dumps(config))
    save_file(_tensors(shape), directory / "model.safetensors")


def _tensors(shape: Shape) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(0)
    hidden, inner = shape.hidden_size, shape.intermediate_size

    def matrix(rows: int, columns: int) -> np.ndarray:
        return generator.standard_normal((rows, columns), np.float32) * np.float32(0.02)

    tensors = {
        "model.embed_tokens.weight": matrix(shape.vocab_size, hidden),
        "model.norm.weight": np.ones(hidden, np.float32),
    }
    for layer in range(shape.num_layers):
        prefix = f"model.layers.{layer}."
        for name in ("q", "k", "v", "o"):
            tensors[f"{prefix}self_attn.{name}_proj.weight"] = matrix(hidden, hidden)
        for name in ("gate", "up"):
            tensors[f"{prefix}mlp.{name}_proj.weight"] = matrix(inner, hidden)
        tensors[f"{prefix}mlp.down_proj.weight"] = matrix(hidden, inner)
        for name in ("input", "post_attention"):
            tensors[f"{prefix}{name}_layernorm.weight"] = np.ones(hidden, np.float32)
    return tensors
