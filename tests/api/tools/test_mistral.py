"""Tool calls after [TOOL_CALLS]."""

from __future__ import annotations

from functools import partial

import pytest

from tests.api.tools import replies
from tests.api.tools.replies import Reply

parse = partial(replies.parse, "mistral")


def test_an_array_of_calls_is_found() -> None:
    reply = parse(
        'Hm. [TOOL_CALLS] [{"name": "f", "arguments": {"a": [1]}, "id": "abc123456"},'
        ' {"name": "now", "arguments": {}}]'
    )
    assert reply == Reply("Hm. ", ["f", "now"], ['{"a": [1]}', "{}"])


@pytest.mark.parametrize(
    "text",
    [
        '[TOOL_CALLS]f[ARGS]{"a": 1}',
        '[TOOL_CALLS]f[CALL_ID]123456789[ARGS]{"a": 1}',
        '[TOOL_CALLS]f{"a": 1}',
        '[TOOL_CALLS] f [ARGS] {"a": 1}',
    ],
)
def test_a_named_call_is_found(text: str) -> None:
    assert parse(text) == Reply("", ["f"], ['{"a": 1}'])


def test_named_calls_follow_each_other() -> None:
    reply = parse('[TOOL_CALLS]f[ARGS]{}[TOOL_CALLS]my-tool.v2[ARGS]{"b": 2} done')
    assert reply == Reply(" done", ["f", "my-tool.v2"], ["{}", '{"b": 2}'])


@pytest.mark.parametrize(
    "text",
    [
        "[TOOL_CALLS]",
        "[TOOL_CALLS] are a mark",
        "[TOOL_CALLS][]",
        "[TOOL_CALLS][1]",
        "[TOOL_CALLS]f[ARGS]",
        "[TOOL_CALLS]f[OTHER]{}",
        "[TOOL_CALLS]f[CALL_ID",
        "[TOOL_CALLS]f[CALL_ID]123[TOOL_CALLS]",
        "[TOOL_CALLS]" + "f" * 300,
    ],
)
def test_what_is_no_call_is_content(text: str) -> None:
    assert parse(text) == Reply(text)


def test_a_second_call_that_is_none_is_content() -> None:
    reply = parse('[TOOL_CALLS][{"name": "f", "arguments": {}}, {"name": 3}]')
    assert reply == Reply(', {"name": 3}]', ["f"], ["{}"])
