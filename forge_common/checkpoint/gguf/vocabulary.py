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
PHI_3_PLAIN = frozenset({"<unk>", "<s>", "<|endoftext|>"})  # do not swallow spaces


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
    ids: dict[str, int]  # by text; the first of tokens that are written alike
    named: dict[str, str]  # `bos_token` and its like, as far as the model has them

    def added_tokens(self) -> list[dict[str, Any]]:
        """Tokens that are found in a text before it is cut, as tokenizer.json has them."""
        unknown = self.unknown_token
        swallowing = self._swallows_spaces()
        return [
            {
                "id": id_,
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": swallowing and token not in PHI_3_PLAIN,
                "normalized": False,
                "special": kind != TokenKind.USER_DEFINED,
            }
            for id_, (token, kind) in enumerate(zip(self.tokens, self.kinds, strict=True))
            if kind in (TokenKind.CONTROL, TokenKind.USER_DEFINED) or token == unknown
        ]

    @property
    def unknown_token(self) -> str | None:
        """The stated one, or the first of the kind; the others only fill the list up."""
        stated = self.named.get("unk_token")
        if stated is not None or TokenKind.UNKNOWN not in self.kinds:
            return stated
        return self.tokens[self.kinds.index(TokenKind.UNKNOWN)]

    def _swallows_spaces(self) -> bool:
        """Whether special tokens take the spaces behind them along. No key says so: of the families
        that are served it is Phi 3, where it has SentencePiece's tokenizer."""
        architecture = self.metadata.text("general.architecture")
        return architecture == "phi3" and self.metadata.text(PREFIX + "model") == "llama"

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
    ids = dict(zip(reversed(written), range(len(written) - 1, -1, -1), strict=True))
    return Vocabulary(metadata, written, kinds, ids, _named(metadata, written))


def _named(metadata: Metadata, tokens: list[str]) -> dict[str, str]:
    ids = {name: metadata.integer(PREFIX + key) for name, key in NAMED_IDS.items()}
    return {
        name: tokens[id_] for name, id_ in ids.items() if id_ is not None and 0 <= id_ < len(tokens)
    }
