"""Tool calls as JSON objects that stand in the text as they are."""

from __future__ import annotations

from functools import partial

import pytest

from tests.api.tools import replies
from tests.api.tools.replies import Reply

parse = partial(replies.parse, "llama3_json")


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "parameters": {"a": 1}}',
        '\n  {"type": "function", "name": "f", "parameters": {"a": 1}}\n',
        '<|python_tag|>{"name": "f", "parameters": {"a": 1}}',
        '{"name": "f", "parameters": "{\\"a\\": 1}"}',
    ],
)
def test_a_call_is_found_with_and_without_the_mark(text: str) -> None:
    assert parse(text) == Reply("", ["f"], ['{"a": 1}'])


@pytest.mark.parametrize("between", ["; ", ";", ", ", "\n", ""])
def test_calls_follow_each_other(between: str) -> None:
    call = '{"name": "f", "parameters": {}}'
    assert parse(f"{call}{between}{call}") == Reply("", ["f", "f"], ["{}", "{}"])


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "Bob", "parameters": {}}',
        '{"name": "add", "age": 3}',
        '{"name": "add"}',
        '{"city": "Paris"}',
        'It is {"name": "add", "parameters": {}}.',
        "{% for f in items %}",
        "<|python_tag|>print(1)",
    ],
)
def test_other_json_is_content(text: str) -> None:
    assert parse(text) == Reply(text)


def test_json_that_is_no_call_is_not_held_back() -> None:
    parser = replies.make_parser("llama3_json")
    shown = replies.joined(parser.push('{"city": "Par'))
    assert shown.content == '{"city": "Par'


def test_marked_calls_may_have_any_name() -> None:
    reply = parse('<|python_tag|>{"name": "unheard_of", "parameters": {}}')
    assert reply == Reply("", ["unheard_of"], ["{}"])


def test_text_after_a_call_is_content() -> None:
    reply = parse('{"name": "f", "parameters": {}}; and {"x": 1}')
    assert reply == Reply('; and {"x": 1}', ["f"], ["{}"])
