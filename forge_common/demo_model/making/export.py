"""Writes the trained model as a HuggingFace Llama checkpoint: config.json, generation_config.json,
model.safetensors.

It does not know how the model was trained.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer

from forge_common.demo_model.making.markup import END_OF_TEXT, TURN_END
from forge_common.demo_model.making.model import DemoLlama, Shape


def export(model: DemoLlama, tokenizer: Tokenizer, directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    tensors = {
        name: tensor.to(torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()
    }
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})
    (directory / "model.safetensors").chmod(0o644)
    write(directory / "config.json", model_config(model.shape, tokenizer))
    write(directory / "generation_config.json", generation_config(tokenizer))


def model_config(shape: Shape, tokenizer: Tokenizer) -> dict[str, object]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **asdict(shape),
        "head_dim": shape.head_dim,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "bos_token_id": tokenizer.token_to_id(END_OF_TEXT),
        "eos_token_id": tokenizer.token_to_id(TURN_END),
        "pad_token_id": tokenizer.token_to_id(END_OF_TEXT),
    }


def generation_config(tokenizer: Tokenizer) -> dict[str, object]:
    """A low temperature: stories still differ, and sums stay right."""
    stops = [tokenizer.token_to_id(TURN_END), tokenizer.token_to_id(END_OF_TEXT)]
    return {
        "bos_token_id": stops[1],
        "pad_token_id": stops[1],
        "eos_token_id": stops,
        "do_sample": True,
        "temperature": 0.4,
        "top_p": 0.95,
    }


def write(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n")
