"""Tool calls after functools, or between tags."""

from __future__ import annotations

from functools import partial

import pytest

from tests.api.tools import replies
from tests.api.tools.replies import Reply

CALLS = '[{"name": "f", "arguments": {"a": 1}}, {"name": "now", "arguments": {}}]'
parse = partial(replies.parse, "phi4")


@pytest.mark.parametrize(
    "text", [f"functools{CALLS}", f"<|tool_call|>{CALLS}<|/tool_call|>", f"<|tool_call|>{CALLS}"]
)
def test_calls_are_found_after_either_mark(text: str) -> None:
    assert parse(f"Hm. {text}") == Reply("Hm. ", ["f", "now"], ['{"a": 1}', "{}"])


@pytest.mark.parametrize(
    "text", ["functools", "import functools\n", "functools[0]", "functools[type_](x)"]
)
def test_the_module_of_that_name_is_content(text: str) -> None:
    assert parse(text) == Reply(text)
