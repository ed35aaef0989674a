"""Special tokens from two files that say it in several ways."""

from __future__ import annotations

from typing import Any

import pytest

from forge_common.tokenizer.special_tokens import read_special_tokens


def all_tokens(added_tokens: Any, config: dict[str, Any]) -> frozenset[str]:
    return read_special_tokens(added_tokens, config).all_tokens


def test_named_tokens_are_texts_or_objects() -> None:
    special = read_special_tokens([], {"bos_token": "<s>", "eos_token": {"content": "</s>"}})
    assert (special.bos_token, special.eos_token) == ("<s>", "</s>")
    assert special.all_tokens == {"<s>", "</s>"}


def test_added_tokens_count_only_where_they_say_they_are_special() -> None:
    added = [{"content": "<a>", "special": True}, {"content": "<b>", "special": False}]
    by_id = {"7": {"content": "<c>", "special": True}, "8": {"content": "<d>"}}
    assert all_tokens(added, {"added_tokens_decoder": by_id}) == {"<a>", "<c>"}


def test_additional_tokens_are_special() -> None:
    config = {"additional_special_tokens": ["<x>", {"content": "<y>"}]}
    assert all_tokens([], config) == {"<x>", "<y>"}


@pytest.mark.parametrize("nonsense", [None, 3, "x", {}, [], [3, None], {"a": 3}, ""])
def test_nonsense_is_nothing(nonsense: Any) -> None:
    config = {
        "bos_token": nonsense if nonsense != "x" else None,
        "additional_special_tokens": nonsense,
        "added_tokens_decoder": nonsense,
    }
    assert all_tokens(nonsense, config) == frozenset()
