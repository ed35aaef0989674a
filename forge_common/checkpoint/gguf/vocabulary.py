"""The tokens of a GGUF file, and what its metadata says of them. Knows no way of cutting text."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from forge_common.checkpoint.gguf.metadata import Metadata
from forge_common.errors import ModelError

PREFIX = "tokenizer.ggml."
NAMED_IDS = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "sep_token": "seperator_token_id",  # as the format spells it
    "pad_token": "padding_token_id",
    "mask_token": "mask_token_id",
}
MAX_TOKENS = 2**21


class TokenKind(IntEnum):
    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Vocabulary(NamedTuple):
    metadata: Metadata
    tokens: list[str]
    kinds: list[int]  # of each token
    named: dict[str, str]  # `bos_token` and its like, as far as the model has them

    @property
    def ids(self) -> dict[str, int]:
        """By text; the first of tokens that are written alike."""
        return {token: id_ for id_, token in reversed(list(enumerate(self.tokens)))}

    def added_tokens(self) -> list[dict[str, Any]]:
        """Tokens that are found in a text before it is cut, as tokenizer.json has them."""
        special = (TokenKind.CONTROL, TokenKind.UNKNOWN)
        return [
            added_token(id_, token, is_special=kind in special)
            for id_, (token, kind) in enumerate(zip(self.tokens, self.kinds, strict=True))
            if kind in special or kind == TokenKind.USER_DEFINED
        ]

    def flag(self, name: str, default: bool) -> bool:
        """`add_bos_token` and its like."""
        stated = self.metadata.boolean(PREFIX + name)
        return default if stated is None else stated


def read_vocabulary(metadata: Metadata) -> Vocabulary:
    tokens = metadata.texts(PREFIX + "tokens")
    if not tokens or len(tokens) > MAX_TOKENS:
        raise ModelError(f"{metadata.source}: the list of tokens is missing, empty or too long")
    kinds = metadata.integers(PREFIX + "token_type") or [int(TokenKind.NORMAL)] * len(tokens)
    if len(kinds) != len(tokens):
        raise ModelError(f"{metadata.source}: tokens and token types differ in number")
    written = [token or f"[EMPTY_{id_}]" for id_, token in enumerate(tokens)]
    return Vocabulary(metadata, written, kinds, _named(metadata, written))


def added_token(id_: int, content: str, *, is_special: bool) -> dict[str, Any]:
    return {
        "id": id_,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": False,
        "normalized": False,
        "special": is_special,
    }


def _named(metadata: Metadata, tokens: list[str]) -> dict[str, str]:
    ids = {name: metadata.integer(PREFIX + key) for name, key in NAMED_IDS.items()}
    return {
        name: tokens[id_] for name, id_ in ids.items() if id_ is not None and 0 <= id_ < len(tokens)
    }
