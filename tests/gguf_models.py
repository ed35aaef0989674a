"""Turns HuggingFace model directories into GGUF files, as llama.cpp's converter does.

Only what the tests' own models need: Llama, Qwen 2 and Qwen 3, and the two kinds of tokenizer.
"""

from __future__ import annotations

import json
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
    family = json.loads((directory / "config.json").read_text())["architectures"][0]
    return next(found for found in ARCHITECTURES.values() if found.family == family)


def model_metadata(directory: Path) -> dict[str, Any]:
    architecture = architecture_of(directory).name
    with Checkpoint.open(directory) as checkpoint:
        config = checkpoint.config
    return {
        "general.architecture": architecture,
        f"{architecture}.embedding_length": config.hidden_size,
        f"{architecture}.feed_forward_length": config.intermediate_size,
        f"{architecture}.block_count": config.num_layers,
        f"{architecture}.attention.head_count": config.num_heads,
        f"{architecture}.attention.head_count_kv": config.num_kv_heads,
        f"{architecture}.attention.key_length": config.head_dim,
        f"{architecture}.attention.value_length": config.head_dim,
        f"{architecture}.context_length": config.max_position_embeddings,
        f"{architecture}.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        f"{architecture}.rope.freq_base": config.rope_theta,
    }


def model_tensors(directory: Path, dtype: str) -> dict[str, FileTensor]:
    """Matrices in `dtype`, or in what fits where rows are no whole blocks of it; vectors in F32."""
    architecture = architecture_of(directory)
    with Checkpoint.open(directory) as checkpoint:
        config = checkpoint.config
        found = {}
        for name, info in checkpoint.tensors.items():
            wide = np.empty(info.shape, np.float32)
            widen(StoredTensor(info.dtype, checkpoint.array(name)), wide)  # type: ignore[arg-type]
            if architecture.pairs_heads and ".q_proj." in name:
                wide = paired(wide, config.num_heads)
            if architecture.pairs_heads and ".k_proj." in name:
                wide = paired(wide, config.num_kv_heads)
            found[gguf_name(name, architecture)] = in_format(wide, dtype)
    return found


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
    _, _, layer, *parts, kind = name.split(".")
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
