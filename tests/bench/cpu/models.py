"""Random Llamas, written once as SafeTensors and once as GGUF, with the same numbers in both.

Random weights are as fast as taught ones, and what they say means nothing. Knows no engine.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from forge_common.checkpoint.gguf.architectures import GgufArchitecture
from forge_common.checkpoint.gguf.vocabulary import TokenKind
from forge_common.checkpoint.model_config import ModelConfig, read_model_config
from forge_common.demo_model import demo_model_path
from forge_worker.weights.names import expected_tensors
from tests.bench.gpu.llamas import LLAMAS
from tests.gguf_files import (
    ALIGNMENT,
    FileTensor,
    padded,
    string_bytes,
    tensor_bytes,
    typed_value,
)
from tests.gguf_models import gguf_name, tokenizer_metadata

_SMALL = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_act": "silu",
    "rms_norm_eps": 1e-5,
    "rope_theta": 10000.0,
    "max_position_embeddings": 2048,
    "hidden_size": 768,
    "intermediate_size": 2048,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "vocab_size": 32000,
    "eos_token_id": 2,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
}

# The scaled rotation of Llama 3.2 costs nothing in a step, and GGUF has it as one more tensor.
SHAPES: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {"110M": _SMALL, "1B": {**LLAMAS["1B"], "rope_scaling": None}}
)

Bits = npt.NDArray[np.uint16]
SPREAD = np.float32(0.02)
BFLOAT16_SHIFT = 16


def write_model(directory: Path, stated: Mapping[str, Any]) -> ModelConfig:
    """A model directory in bfloat16; one that is there stays."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "config.json").write_text(json.dumps(dict(stated)))
    config = read_model_config(directory / "config.json")
    path, unfinished = directory / "model.safetensors", directory / "unfinished"
    if not path.exists():
        shapes = expected_tensors(config)
        with unfinished.open("wb") as file:
            file.write(_header(shapes))
            for bits in numbers(shapes):
                file.write(bits.tobytes())
        unfinished.rename(path)
    return config


def numbers(shapes: Mapping[str, tuple[int, ...]]) -> Iterator[Bits]:
    """Of each tensor in turn, always the same: norms are 1, the rest is noise."""
    generator = np.random.default_rng(0)
    for shape in shapes.values():
        values = (
            np.ones(shape, np.float32)
            if len(shape) == 1
            else generator.standard_normal(shape, np.float32) * SPREAD
        )
        yield (values.view(np.uint32) >> BFLOAT16_SHIFT).astype(np.uint16)


def without_vocabulary(config: ModelConfig) -> dict[str, Any]:
    """llama.cpp's benchmark needs none."""
    return {"llama.vocab_size": config.vocab_size, "tokenizer.ggml.model": "no_vocab"}


def with_vocabulary(config: ModelConfig) -> dict[str, Any]:
    """The demo model's tokens, and as many behind them as the model has logits."""
    found = tokenizer_metadata(demo_model_path())
    tokens, kinds = found["tokenizer.ggml.tokens"], found["tokenizer.ggml.token_type"]
    num_more = config.vocab_size - len(tokens)
    more = [f"[{number}]" for number in range(num_more)]
    return {
        **found,
        "tokenizer.ggml.tokens": tokens + more,
        "tokenizer.ggml.token_type": kinds + [int(TokenKind.NORMAL)] * num_more,
    }


def write_gguf_model(
    directory: Path,
    path: Path,
    vocabulary: Callable[[ModelConfig], Mapping[str, Any]] = without_vocabulary,
) -> None:
    """The same numbers as GGUF."""
    config = read_model_config(directory / "config.json")
    shapes = expected_tensors(config)
    tensors = {_gguf_name(name): _as_gguf(shape) for name, shape in shapes.items()}
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        file.write(_gguf_header({**_metadata(config), **vocabulary(config)}, tensors))
        for tensor, bits in zip(tensors.values(), numbers(shapes), strict=True):
            is_wide = tensor.dtype == "F32"
            raw = bits.astype(np.uint32) << BFLOAT16_SHIFT if is_wide else bits
            file.write(padded(raw.tobytes(), ALIGNMENT))
    unfinished.rename(path)


def _as_gguf(shape: tuple[int, ...]) -> FileTensor:
    """GGUF keeps vectors in float32."""
    return FileTensor("F32" if len(shape) == 1 else "BF16", shape, b"")


def _gguf_header(metadata: Mapping[str, Any], tensors: Mapping[str, FileTensor]) -> bytes:
    """Of a version 3 file, up to where the numbers begin."""
    header = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    for key, value in metadata.items():
        typed = typed_value(value)
        header += string_bytes(key) + struct.pack("<I", typed.type_id) + typed.raw
    offset = 0
    for name, tensor in tensors.items():
        header += tensor_bytes(name, tensor, offset)
        num_bytes = math.prod(tensor.shape) * (4 if tensor.dtype == "F32" else 2)
        offset += -(-num_bytes // ALIGNMENT) * ALIGNMENT
    return padded(header, ALIGNMENT)


def _gguf_name(name: str) -> str:
    return gguf_name(name, GgufArchitecture(name="llama", family="LlamaForCausalLM"))


def _metadata(config: ModelConfig) -> dict[str, Any]:
    own = {
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "block_count": config.num_layers,
        "attention.head_count": config.num_heads,
        "attention.head_count_kv": config.num_kv_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "context_length": config.max_position_embeddings,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.freq_base": config.ropes[0].theta,
        "rope.dimension_count": config.head_dim,
    }
    stated = {f"llama.{key}": value for key, value in own.items()}
    return {"general.architecture": "llama", **stated}


def _header(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    entries: dict[str, Any] = {}
    end = 0
    for name, shape in shapes.items():
        begin, end = end, end + int(np.prod(shape)) * np.dtype(np.uint16).itemsize
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [begin, end]}
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header
