"""Turns HuggingFace model directories into GGUF files, as llama.cpp's converter does.

Only what the tests' own models need of it: every family, and the two kinds of tokenizer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from forge_common.checkpoint import Checkpoint
from forge_common.checkpoint.gguf.architectures import ARCHITECTURES, GgufArchitecture
from forge_common.checkpoint.gguf.vocabulary import TokenKind
from forge_worker.quantization.encode import encode, format_for
from forge_worker.weights.stored_tensor import StoredTensor, widen
from tests.gguf_files import FileTensor, plain, write_gguf

Convert = Callable[[np.ndarray[Any, Any]], FileTensor]
EXPERT = re.compile(r"(?<=\.experts)\.\d+\.")
TOP_LEVEL = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def write_gguf_model(directory: Path, path: Path, dtype: str = "F32", **changes: Any) -> Path:
    """The model in `directory` as one GGUF file. `changes` replaces keys of its metadata; None
    leaves one out."""
    metadata = {**model_metadata(directory), **tokenizer_metadata(directory), **changes}
    kept = {key: value for key, value in metadata.items() if value is not None}
    return write_gguf(path, kept, model_tensors(directory, dtype))


def architecture_of(directory: Path) -> GgufArchitecture:
    family = stated_config(directory)["architectures"][0]
    return next(found for found in ARCHITECTURES.values() if found.family == family)


def stated_config(directory: Path) -> dict[str, Any]:
    stated: dict[str, Any] = json.loads((directory / "config.json").read_text())
    return stated


def model_metadata(directory: Path) -> dict[str, Any]:
    architecture, stated = architecture_of(directory), stated_config(directory)
    prefix = architecture.name + "."
    with Checkpoint.open(directory) as checkpoint:
        config = checkpoint.config
    further = {key: stated.get(field) for key, field in architecture.keys.items()}
    rope = rope_parameters(stated)
    return {
        "general.architecture": architecture.name,
        f"{prefix}embedding_length": config.hidden_size,
        f"{prefix}feed_forward_length": config.intermediate_size,
        f"{prefix}block_count": config.num_layers,
        f"{prefix}attention.head_count": config.num_heads,
        f"{prefix}attention.head_count_kv": config.num_kv_heads,
        f"{prefix}attention.key_length": config.head_dim,
        f"{prefix}attention.value_length": config.head_dim,
        f"{prefix}context_length": config.max_position_embeddings,
        f"{prefix}attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        f"{prefix}rope.freq_base": config.ropes[-1].theta,
        f"{prefix}rope.dimension_count": max(rope.num_dims for rope in config.ropes),
        f"{prefix}rope.scaling.original_context_length": rope.get(
            "original_max_position_embeddings"
        ),
        f"{prefix}rope.scaling.attn_factor": rope.get("attention_factor"),
        f"{prefix}rope.scaling.factor": rope.get("factor"),
        f"{prefix}rope.scaling.type": rope.get("rope_type", "default").replace("default", "none"),
        **{f"{prefix}{key}": value for key, value in further.items()},
    }


def model_tensors(directory: Path, dtype: str) -> dict[str, FileTensor]:
    """Matrices in `dtype`, or in what fits where rows are no whole blocks of it; vectors in F32."""
    architecture = architecture_of(directory)
    experts: dict[str, list[np.ndarray[Any, Any]]] = {}
    found = {}
    with Checkpoint.open(directory) as checkpoint:
        config = checkpoint.config
        for name, info in sorted(checkpoint.tensors.items(), key=lambda item: by_expert(item[0])):
            wide = np.empty(info.shape, np.float32)
            widen(StoredTensor(info.dtype, checkpoint.array(name)), wide)  # type: ignore[arg-type]
            if architecture.pairs_heads and ".q_proj." in name:
                wide = paired(wide, config.num_heads)
            if architecture.pairs_heads and ".k_proj." in name:
                wide = paired(wide, config.num_kv_heads)
            if name.endswith("norm.weight"):
                wide = wide + np.float32(config.norm_offset)
            theirs = gguf_name(name, architecture)
            if ".experts." in name:
                experts.setdefault(theirs, []).append(wide)
            else:
                found[theirs] = in_format(wide, dtype)
    stacked = {name: in_format(np.stack(parts), dtype) for name, parts in experts.items()}
    return {**found, **stacked, **divisors(stated_config(directory))}


def by_expert(name: str) -> tuple[str, int]:
    """Experts in the order of their numbers."""
    number = re.search(r"\.experts\.(\d+)\.", name)
    return EXPERT.sub(".{}.", name), int(number[1]) if number else 0


def rope_parameters(stated: dict[str, Any]) -> dict[str, Any]:
    """Of the layers that see everything."""
    rope: dict[str, Any] = stated.get("rope_parameters") or stated.get("rope_scaling") or {}
    full: dict[str, Any] = rope.get("full_attention", rope)
    return full


def divisors(stated: dict[str, Any]) -> dict[str, FileTensor]:
    rope = rope_parameters(stated)
    return {
        f"rope_factors_{kind}.weight": plain(np.array(rope[f"{kind}_factor"], np.float32))
        for kind in ("short", "long")
        if f"{kind}_factor" in rope
    }


def paired(rows: np.ndarray[Any, Any], num_heads: int) -> np.ndarray[Any, Any]:
    """Row i of a head beside row i + head_dim / 2, which llama.cpp rotates as one pair."""
    halves = rows.reshape(num_heads, 2, -1, *rows.shape[1:])
    return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(rows.shape)


def in_format(wide: np.ndarray[Any, Any], dtype: str) -> FileTensor:
    if wide.ndim == 1 or dtype == "F32":
        return plain(wide)
    if dtype == "F16":
        return plain(wide.astype(np.float16))
    if dtype == "BF16":
        return plain((wide.view(np.uint32) >> 16).astype(np.uint16))
    fitting = format_for(dtype, wide.shape[-1])
    if fitting is None:
        return plain(wide)
    return FileTensor(fitting, wide.shape, encode(fitting, wide).tobytes())


def gguf_name(name: str, architecture: GgufArchitecture) -> str:
    if name in TOP_LEVEL:
        return TOP_LEVEL[name]
    _, _, layer, *parts, kind = EXPERT.sub(".{}.", name).split(".")
    names = {theirs: ours for ours, theirs in architecture.layer_tensors.items()}
    return f"blk.{layer}.{names['.'.join(parts)]}.{kind}"


def tokenizer_metadata(directory: Path) -> dict[str, Any]:
    path, config_path = directory / "tokenizer.json", directory / "tokenizer_config.json"
    if not path.exists():
        return {}
    tree = json.loads(path.read_text())
    config = json.loads(config_path.read_text()) if config_path.exists() else {}
    return {**vocabulary_metadata(tree), **special_metadata(tree, config)}


def vocabulary_metadata(tree: dict[str, Any]) -> dict[str, Any]:
    """Of a tokenizer.json with a byte-level BPE, or a SentencePiece-like one with byte fallback."""
    ids = token_ids(tree)
    size = max(ids.values()) + 1
    by_id = {id_: token for token, id_ in ids.items()}
    is_bytes = bool(tree["model"].get("byte_fallback"))
    tokens = [by_id.get(id_, f"[PAD{id_}]") for id_ in range(size)]
    kinds = [int(TokenKind.NORMAL)] * size
    for id_, token in enumerate(tokens):
        if is_bytes and token.startswith("<0x"):
            kinds[id_] = TokenKind.BYTE
    for added in tree["added_tokens"]:
        kinds[added["id"]] = TokenKind.CONTROL if added["special"] else TokenKind.USER_DEFINED
    found: dict[str, Any] = {
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [int(kind) for kind in kinds],
    }
    if is_bytes:
        scores = scores_of(tree, tokens)
        return {**found, "tokenizer.ggml.model": "llama", "tokenizer.ggml.scores": scores}
    merges = [
        merge if isinstance(merge, str) else " ".join(merge) for merge in tree["model"]["merges"]
    ]
    return {
        **found,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.merges": merges,
    }


def token_ids(tree: dict[str, Any]) -> dict[str, int]:
    added = {token["content"]: token["id"] for token in tree["added_tokens"]}
    return {**tree["model"]["vocab"], **added}


def scores_of(tree: dict[str, Any], tokens: list[str]) -> list[float]:
    """The earlier a token is first made by a merge, the higher."""
    merges = [m if isinstance(m, list) else m.split(" ") for m in tree["model"]["merges"]]
    rank = {left + right: index for index, (left, right) in reversed(list(enumerate(merges)))}
    return [-float(rank.get(token, len(merges) + id_)) for id_, token in enumerate(tokens)]


def special_metadata(tree: dict[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    ids = token_ids(tree)
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    stated = {key: config.get(name) for name, key in names.items()}
    found: dict[str, Any] = {
        f"tokenizer.ggml.{key}_token_id": ids[token] for key, token in stated.items() if token
    }
    if template := config.get("chat_template"):
        found["tokenizer.chat_template"] = template
    return found
