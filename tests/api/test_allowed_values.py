"""Values that a type lists are found by the path of a field; where it lists none, none are."""

from __future__ import annotations

from typing import Any

import pytest

from forge_api.allowed_values import allowed_values
from forge_api.openai_types import ChatCompletionRequest

PART = {"type": "image_url"}
CALL = {"type": "fn", "function": {"name": "f"}}


@pytest.mark.parametrize(
    ("message", "path", "expected"),
    [
        ({"role": "usr"}, "role", ["system", "developer", "user", "assistant", "tool"]),
        ({"role": "user", "content": [PART]}, "content[0].type", ["text"]),
        ({"role": "assistant", "content": [PART]}, "content[0].type", ["text", "refusal"]),
        ({"role": "assistant", "tool_calls": [CALL]}, "tool_calls[0].type", ["function"]),
        ({"role": "user", "content": 5}, "content", []),
        ({"role": "user"}, "nothing.of[7].the.kind", []),
    ],
)
def test_values_of_a_message(message: dict[str, Any], path: str, expected: list[str]) -> None:
    sent = {"messages": [message]}
    assert allowed_values(ChatCompletionRequest, sent, f"messages[0].{path}") == expected


def test_values_of_a_plain_field() -> None:
    allowed = allowed_values(ChatCompletionRequest, {"tool_choice": "x"}, "tool_choice")
    assert sorted(allowed) == ["auto", "none", "required"]


def test_whole_body_lists_nothing() -> None:
    assert allowed_values(ChatCompletionRequest, {}, "") == []
