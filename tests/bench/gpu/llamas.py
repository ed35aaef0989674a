"""Llamas with random weights that no file holds: a config, and a file that is all holes but norms.

The file has the size and the header of a real one, so that it is loaded as a real one; what the
device gets for the holes is noise (see bench_device.py). Knows no device.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from forge_common.checkpoint.model_config import ModelConfig, read_model_config
from forge_worker.weights.names import expected_tensors

_COMMON = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 500000.0,
    "max_position_embeddings": 131072,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "bos_token_id": 128000,
    "eos_token_id": 128001,
    "torch_dtype": "bfloat16",
}
_STRETCHED = {
    "rope_type": "llama3",
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}

# As Llama-3.2-1B and Llama-3.1-8B have it in their config.json.
LLAMAS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "1B": {
            **_COMMON,
            "hidden_size": 2048,
            "intermediate_size": 8192,
            "num_hidden_layers": 16,
            "head_dim": 64,
            "rope_scaling": {**_STRETCHED, "factor": 32.0},
            "tie_word_embeddings": True,
        },
        "8B": {
            **_COMMON,
            "hidden_size": 4096,
            "intermediate_size": 14336,
            "num_hidden_layers": 32,
            "head_dim": 128,
            "rope_scaling": {**_STRETCHED, "factor": 8.0},
            "tie_word_embeddings": False,
        },
    }
)

_BF16_BYTES = 2
_BF16_ONE = np.uint16(0x3F80)
_LENGTH_BYTES = 8


def write_llama(directory: Path, stated: Mapping[str, Any]) -> ModelConfig:
    """A model directory of `stated`, a config.json; its file takes no room but for the norms.

    A file that is there stays, and with it what the host has cached of it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(dict(stated)))
    config = read_model_config(directory / "config.json")
    path, unfinished = directory / "model.safetensors", directory / "unfinished"
    if not path.exists():
        _write_holes(unfinished, expected_tensors(config))
        unfinished.rename(path)
    return config


def _write_holes(path: Path, tensors: Mapping[str, tuple[int, ...]]) -> None:
    entries, ends = {}, [0]
    for name, shape in tensors.items():
        ends.append(ends[-1] + math.prod(shape) * _BF16_BYTES)
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": ends[-2:]}
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % _LENGTH_BYTES)
    data_start = _LENGTH_BYTES + len(header)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(_LENGTH_BYTES, "little") + header)
        file.truncate(data_start + ends[-1])
        for shape, start in zip(tensors.values(), ends, strict=False):
            if len(shape) == 1:
                file.seek(data_start + start)
                file.write(np.full(shape, _BF16_ONE).tobytes())
