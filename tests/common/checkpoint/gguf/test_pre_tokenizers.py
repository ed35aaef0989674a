"""Words as each named pre-tokenizer cuts them."""

from __future__ import annotations

import json

import pytest
import tokenizers

from forge_common.checkpoint.gguf.pre_tokenizers import PRE_TOKENIZERS

TEXT = "I'LL pay 12345€,\n\n  MixedCase now"


def words(name: str, text: str) -> list[str]:
    steps = [dict(step) for step in PRE_TOKENIZERS[name].steps]
    model = {"type": "BPE", "vocab": {}, "merges": []}
    tree = {
        "model": model,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": steps},
        "added_tokens": [],
    }
    encoder = tokenizers.Tokenizer.from_str(json.dumps(tree))
    found = encoder.pre_tokenizer.pre_tokenize_str(text)
    return [text[start:end] for _, (start, end) in found]


@pytest.mark.parametrize("name", PRE_TOKENIZERS)
def test_every_kind_cuts_a_text_without_losing_any(name: str) -> None:
    assert "".join(words(name, TEXT)) == TEXT


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "gpt-2",
            "I|'|LL| pay| 12345|€,|\n\n | Mixed|Case| now".replace("Mixed|Case", "MixedCase"),
        ),
        ("llama-bpe", "I|'LL| pay| |123|45|€,\n\n| | MixedCase| now"),
        ("qwen2", "I|'LL| pay| |1|2|3|4|5|€,\n\n| | MixedCase| now"),
        ("smollm", "I|'|LL| pay| |1|2|3|4|5|€,|\n\n | MixedCase| now"),
        ("tekken", "I|'LL| pay| |1|2|3|4|5|€,\n\n| | Mixed|Case| now"),
        ("gpt-4o", "I'LL| pay| |123|45|€,\n\n| | Mixed|Case| now"),
        ("deepseek-v3", "I|'LL| pay| |123|45|€,\n\n| | MixedCase| now"),
        ("falcon", "I|'|LL| pay| |123|45|€|,|\n\n | MixedCase| now"),
    ],
)
def test_kinds_differ_where_their_models_do(name: str, expected: str) -> None:
    assert words(name, TEXT) == expected.split("|")
