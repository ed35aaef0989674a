"""Writes the files of model directories, sound ones and broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 32,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
}


def write_json(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


def write_config(directory: Path, **changes: object) -> Path:
    return write_json(directory / "config.json", {**CONFIG, **changes})


def write_safetensors(path: Path, header: object, data: bytes = b"") -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def tensor(begin: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> object:
    shape = [(end - begin) // 4] if shape is None else shape
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}
