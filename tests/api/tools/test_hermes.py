"""Tool calls in <tool_call> tags."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.api.tools import replies
from tests.api.tools.replies import Reply, joined, make_parser

ADD = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
parse = partial(replies.parse, "hermes")


@given(st.text(max_size=30), st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=3))
def test_any_call_written_as_json_is_found(name: str, arguments: dict[str, str]) -> None:
    call = json.dumps({"name": name or "f", "arguments": arguments}, ensure_ascii=False)
    reply = parse(f"before <tool_call>\n{call}\n</tool_call>after")
    assert (reply.content, reply.names) == ("before after", [name or "f"])
    assert json.loads(reply.arguments[0]) == arguments


def test_several_calls_are_counted_and_the_space_between_them_is_none() -> None:
    reply = parse(f"\n{ADD}\n{ADD}\n")
    assert reply == Reply("", ["add", "add"], ['{"a": 1}', '{"a": 1}'])


def test_text_around_calls_keeps_its_spaces() -> None:
    assert parse(f"Let me see. {ADD}\n\nDone. ").content == "Let me see. \n\nDone. "


def test_arguments_are_the_characters_the_model_wrote() -> None:
    written = '{"x": 1.00, "big": 123456789012345678901234567890, "x":  "é"}'
    call = f'<tool_call>{{"name": "f", "arguments": {written}}}</tool_call>'
    assert parse(call).arguments == [written]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "{}",
        "not json",
        '{"name": 3, "arguments": {}}',
        '{"name": "", "arguments": {}}',
        '{"name": "f", "arguments": [1]}',
        '{"name": "f", "arguments": null}',
        '{"name": "f", "arguments": "no object"}',
        '{"name": "f", "arguments": "{broken"}',
        '{"name": "f" "arguments": {}}',
        '{"name": "\\ud800", "arguments": {}}',
        '{"name": "f",}',
        '{"arguments": {"a": }, "name": "f"}',
        "{'name': 'f', 'arguments': {}}",
    ],
)
def test_what_is_no_call_is_content_to_the_last_character(body: str) -> None:
    text = f"a <tool_call>{body}</tool_call> b {ADD}"
    reply = parse(text)
    assert reply.content == text.removesuffix(ADD)
    assert reply.names == ["add"]


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ('{"a": }', '{"a": '),
        ('{"a": "\n"}', '{"a": "'),
        ('{"a": 1 b}', '{"a": 1 '),
        ('{"a": tru, "b": 1}', '{"a": '),
        ('{"a": 01}', '{"a": '),
        ("{'a': 1}", "{"),
        ('{"a":' * 300, '{"a":' * 256),
    ],
)
def test_arguments_that_break_off_stay_as_they_are_and_the_rest_is_content(
    arguments: str, kept: str
) -> None:
    reply = parse(f'<tool_call>{{"name": "f", "arguments": {arguments}}}</tool_call>')
    assert reply.arguments == [kept]
    assert reply.content == arguments.removeprefix(kept) + "}</tool_call>"


def test_text_after_a_whole_call_that_is_not_its_end_is_content() -> None:
    reply = parse(f"{ADD.removesuffix('</tool_call>')} and more</tool_call>")
    assert reply == Reply(" and more</tool_call>", ["add"], ['{"a": 1}'])


def test_a_call_after_a_broken_one_is_found() -> None:
    assert parse(f"<tool_call>{{oops}}</tool_call>{ADD}").names == ["add"]
    assert parse(f"<tool_call>{ADD}").names == ["add"]
    assert parse(f"{ADD.removesuffix('tool_call>')}{ADD}").names == ["add", "add"]


def test_a_tag_named_in_a_sentence_does_not_stop_the_stream() -> None:
    parser = make_parser("hermes")
    assert joined(parser.push("write <tool_call> and")).content == "write <tool_call> and"


@pytest.mark.parametrize("end", ["", "</tool", "\n"])
def test_a_whole_call_cut_off_before_its_closing_tag_counts(end: str) -> None:
    assert parse(ADD.removesuffix("</tool_call>") + end) == Reply("", ["add"], ['{"a": 1}'])


def test_a_call_cut_off_before_its_arguments_is_content() -> None:
    text = '<tool_call>{"name": "add", "argum'
    assert parse(text) == Reply(text)


def test_arguments_cut_off_are_shown_as_far_as_they_came() -> None:
    reply = parse('<tool_call>{"name": "add", "arguments": {"a": 12')
    assert reply == Reply("", ["add"], ['{"a": 12'])


def test_arguments_before_the_name_and_other_members_are_understood() -> None:
    call = '<tool_call>{"id": [1], "arguments": {"a": 1}, "name": "add", "type": "x"}</tool_call>'
    assert parse(call) == Reply("", ["add"], ['{"a": 1}'])


def test_arguments_written_as_a_string_or_left_out_are_understood() -> None:
    call = '<tool_call>{"name": "f", "arguments": " {\\"a\\": 1}"}</tool_call>'
    assert parse(call).arguments == ['{"a": 1}']
    assert parse('<tool_call>{"name": "now"}</tool_call>').arguments == ["{}"]


def test_a_name_that_no_tool_has_is_a_call() -> None:
    assert parse(ADD.replace("add", "unheard_of")).names == ["unheard_of"]
