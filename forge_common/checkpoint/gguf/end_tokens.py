"""Which tokens end a text: those the metadata names, and those known by how they are written.

Files name one, but models end in several ways: a base model's end of text, a chat's end of turn, a
tool call's end of message. Knows ids and texts of tokens.
"""

from __future__ import annotations

from forge_common.checkpoint.gguf.metadata import Metadata
from forge_common.errors import ModelError

END_KEYS = tuple(f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom"))
END_TEXTS = frozenset(
    {
        "<|eot_id|>",
        "<|eom_id|>",
        "<|im_end|>",
        "<|end|>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|END_OF_TURN_TOKEN|>",
        "<EOT>",
    }
)
CONTROL = 3  # of `tokenizer.ggml.token_type`


def end_token_ids(metadata: Metadata) -> tuple[int, ...]:
    """The stated ones first. An id beyond the list of tokens is a ModelError."""
    tokens = metadata.texts("tokenizer.ggml.tokens") or []
    types = metadata.integers("tokenizer.ggml.token_type") or []
    stated = [id_ for key in END_KEYS if (id_ := metadata.integer(key)) is not None]
    if stated and not 0 <= min(stated) <= max(stated) < len(tokens):
        raise ModelError(f"{metadata.source}: an end token is beyond the list of tokens")
    written = [
        token_id
        for token_id, (token, kind) in enumerate(zip(tokens, types, strict=False))
        if kind == CONTROL and token in END_TEXTS
    ]
    return tuple(dict.fromkeys(stated + written))
