"""A tiny random Llama with a tokenizer, written to a directory: it serves, and says nonsense."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from forge_common.checkpoint.model_config import read_model_config
from forge_worker.weights.names import expected_tensors
from tests.small_tokenizers import byte_level_encoder, write_model_directory

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 400,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "tie_word_embeddings": True,
}


def write_small_model(directory: Path, **config: Any) -> Path:
    """`config` replaces fields of config.json."""
    write_model_directory(directory, byte_level_encoder())
    (directory / "config.json").write_text(json.dumps({**CONFIG, **config}))
    save_file(random_tensors(directory), directory / "model.safetensors")
    return directory


def random_tensors(directory: Path) -> dict[str, np.ndarray[Any, Any]]:
    generator = np.random.default_rng(0)
    shapes = expected_tensors(read_model_config(directory / "config.json"))
    return {
        name: generator.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }
