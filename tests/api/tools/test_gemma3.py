"""Tool calls in fences, or as Python or JSON without them."""

from __future__ import annotations

from functools import partial

import pytest

from tests.api.tools import replies
from tests.api.tools.replies import Reply

parse = partial(replies.parse, "gemma3")


@pytest.mark.parametrize(
    "text",
    [
        "```tool_code\nf(a=1)\n```",
        "```tool_code\n[f(a=1)]\n```",
        "```tool_code\nf(a=1)",
        '```tool_call\n{"name": "f", "parameters": {"a": 1}}\n```',
        '```json\n{"name": "f", "parameters": {"a": 1}}\n```',
        '{"name": "f", "parameters": {"a": 1}}',
        "[f(a=1)]",
    ],
)
def test_every_way_of_writing_a_call_is_read(text: str) -> None:
    assert parse(text) == Reply("", ["f"], ['{"a": 1}'])


def test_a_block_of_code_may_hold_a_call_a_line() -> None:
    reply = parse("Well.\n```tool_code\nf(a=1)\nnow()\n```\nSo.")
    assert reply == Reply("Well.\n\nSo.", ["f", "now"], ['{"a": 1}', "{}"])


@pytest.mark.parametrize(
    "text",
    [
        "```python\nf(a=1)\n```",
        '```json\n{"name": "Bob", "age": 3}\n```',
        "```json\n[1, 2]\n```",
        "```tool_code\nimport os\n```",
        "use ```tool_code\nf(a=1)\n```",
    ],
)
def test_other_blocks_are_content(text: str) -> None:
    assert parse(text) == Reply(text)
