"""Which tokens of a model are special, read from tokenizer.json and tokenizer_config.json.

Knows nothing of ids' bytes, of encoding, or of chat templates.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

NAMED = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


class SpecialTokens(Struct, frozen=True):
    """The special tokens as text; `bos_token` and `eos_token` are None where a model has none."""

    bos_token: str | None
    eos_token: str | None
    all_tokens: frozenset[str]


def read_special_tokens(added_tokens: Any, tokenizer_config: dict[str, Any]) -> SpecialTokens:
    named = {name: content_of(tokenizer_config.get(name)) for name in NAMED}
    additional = as_list(tokenizer_config.get("additional_special_tokens"))
    contents = [
        *named.values(),
        *(content_of(token) for token in additional),
        *(content_of(token) for token in declared_special(added_tokens, tokenizer_config)),
    ]
    return SpecialTokens(
        bos_token=named["bos_token"],
        eos_token=named["eos_token"],
        all_tokens=frozenset(content for content in contents if content),
    )


def declared_special(added_tokens: Any, tokenizer_config: dict[str, Any]) -> list[Any]:
    """Added tokens that say so themselves, from tokenizer.json and from the config."""
    declared = as_list(added_tokens)
    by_id = tokenizer_config.get("added_tokens_decoder")
    if isinstance(by_id, dict):
        declared = [*declared, *by_id.values()]
    return [token for token in declared if isinstance(token, dict) and token.get("special") is True]


def content_of(token: Any) -> str | None:
    """A token is written either as its text or as an object with its `content`."""
    if isinstance(token, dict):
        token = token.get("content")
    return token if isinstance(token, str) and token else None


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
