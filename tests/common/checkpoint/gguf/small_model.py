"""A whole GGUF model of a few kilobytes: metadata, vocabulary and tensors that fit each other."""

from __future__ import annotations

from typing import Any

from tests.gguf_files import FileTensor

HIDDEN, INNER, LAYERS = 32, 64, 1
TOKENS = ["<unk>", "<s>", "</s>", "a", "b", "ab", "Ġ", "Ġa"]
KINDS = [2, 3, 3, 1, 1, 1, 1, 1]


def metadata(**changes: Any) -> dict[str, Any]:
    """Keys by their name, with `__` for a dot; None leaves a key out."""
    stated = {
        "general.architecture": "llama",
        "llama.embedding_length": HIDDEN,
        "llama.feed_forward_length": INNER,
        "llama.block_count": LAYERS,
        "llama.attention.head_count": 2,
        "llama.attention.head_count_kv": 1,
        "llama.context_length": 128,
        "llama.attention.layer_norm_rms_epsilon": 1e-5,
        "llama.rope.freq_base": 10000.0,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": TOKENS,
        "tokenizer.ggml.token_type": KINDS,
        "tokenizer.ggml.merges": ["a b", "Ġ a"],
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.chat_template": "{{ messages[0].content }}",
    }
    stated.update({key.replace("__", "."): value for key, value in changes.items()})
    return {key: value for key, value in stated.items() if value is not None}


def tensors() -> dict[str, FileTensor]:
    """All zeros: matrices in Q8_0, vectors in F32."""
    shapes = {
        "token_embd.weight": (len(TOKENS), HIDDEN),
        "output_norm.weight": (HIDDEN,),
        "blk.0.attn_norm.weight": (HIDDEN,),
        "blk.0.attn_q.weight": (HIDDEN, HIDDEN),
        "blk.0.attn_k.weight": (HIDDEN // 2, HIDDEN),
        "blk.0.attn_v.weight": (HIDDEN // 2, HIDDEN),
        "blk.0.attn_output.weight": (HIDDEN, HIDDEN),
        "blk.0.ffn_norm.weight": (HIDDEN,),
        "blk.0.ffn_gate.weight": (INNER, HIDDEN),
        "blk.0.ffn_up.weight": (INNER, HIDDEN),
        "blk.0.ffn_down.weight": (HIDDEN, INNER),
    }
    return {name: zeros(shape) for name, shape in shapes.items()}


def zeros(shape: tuple[int, ...]) -> FileTensor:
    if len(shape) == 1:
        return FileTensor("F32", shape, bytes(4 * shape[0]))
    return FileTensor("Q8_0", shape, bytes(shape[0] * shape[1] // 32 * 34))
