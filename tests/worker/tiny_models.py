"""Tiny random models, written as a checkpoint and loaded as the worker does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from forge_common.checkpoint.model_config import ModelConfig, read_model_config
from forge_common.config import DeviceSettings
from forge_worker.models.load import load_model
from forge_worker.models.registry import Model
from forge_worker.weights.names import expected_tensors
from tests.common.checkpoint.files import write_json

SHAPE = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 40,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


def write_model_config(directory: Path, **changes: object) -> ModelConfig:
    return read_model_config(write_json(directory / "config.json", {**SHAPE, **changes}))


def random_tensors(config: ModelConfig) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(11)
    return {
        name: generator.normal(len(shape) == 1, shape[-1] ** -0.5, shape).astype(np.float32)
        for name, shape in expected_tensors(config).items()
    }


def write_tiny_model(directory: Path, **changes: object) -> Path:
    tensors = random_tensors(write_model_config(directory, **changes))
    save_file(tensors, directory / "model.safetensors")
    return directory


def make_tiny_model(directory: Path, threads: int = 2, **changes: object) -> Model:
    device = DeviceSettings(threads=threads, cpu_kernels="numpy")
    return load_model(write_tiny_model(directory, **changes), device, lambda done, total: None)
