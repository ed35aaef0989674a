"""Tool calls in a model's text: found however the text is cut, and no character is lost."""

from __future__ import annotations

import json
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct

from forge_api.tools import ContentDelta, Delta, ToolCallArguments, ToolCallParser, ToolCallStart

ADD = '<tool_call>{"name": "add", "arguments": {"a": 1}}</tool_call>'
FRAGMENTS = [
    "<tool_call>",
    "</tool_call>",
    '{"name": "add", "arguments": {"a": "<tool_call>"}}',
    '{"name": "f", "arguments": {"x": "</tool_call>"}}',
    ADD,
    "<",
    "{",
    '"',
    "\\",
    "\n",
    " ",
    "x",
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join)


class Reply(Struct):
    """The deltas put together again, as a client does."""

    content: str = ""
    names: list[str] = []
    arguments: list[str] = []


def joined(deltas: list[Delta]) -> Reply:
    reply = Reply()
    for delta in deltas:
        match delta:
            case ContentDelta(text=text):
                reply.content += text
            case ToolCallStart(index=index, name=name):
                assert index == len(reply.names)
                reply.names.append(name)
                reply.arguments.append("")
            case ToolCallArguments(index=index, text=text):
                reply.arguments[index] += text
    return reply


def parse(*pieces: str) -> Reply:
    parser = ToolCallParser()
    deltas = [delta for piece in pieces for delta in parser.push(piece)]
    return joined([*deltas, *parser.finish()])


@given(texts, st.lists(st.integers(0, 200), max_size=12))
def test_any_grouping_of_characters_gives_the_same_reply(text: str, cuts: list[int]) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    assert parse(*(text[start:end] for start, end in pairwise(places))) == parse(text)
    assert parse(*text) == parse(text)


@given(texts)
def test_without_a_call_every_character_is_content(text: str) -> None:
    reply = parse(text)
    if not reply.names:
        assert reply.content == text


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


def test_a_reply_of_spaces_stays_one() -> None:
    assert parse(" \n") == Reply(" \n")


def test_ids_differ_and_look_like_those_of_openai() -> None:
    starts = [
        delta for delta in ToolCallParser().push(ADD + ADD) if isinstance(delta, ToolCallStart)
    ]
    assert len({start.id for start in starts}) == 2
    assert all(start.id.startswith("call_") for start in starts)


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
        '{"name": "f", "arguments": "no object"}',
        '{"name": "f", "arguments": "{broken"}',
        '{"name": "f", "arguments": {"a": }}',
        '{"name": "f", "arguments": {}} and more',
        "{'name': 'f', 'arguments': {}}",
        '{"name": "f", "arguments": {"a": "\n"}}',
        '{"name": "f", "arguments": ' + '{"a":' * 5000,
    ],
)
def test_what_is_no_call_is_content_to_the_last_character(body: str) -> None:
    text = f"a <tool_call>{body}</tool_call> b {ADD}"
    reply = parse(text)
    assert reply.content == text.removesuffix(ADD)
    assert reply.names == ["add"]


def test_a_call_after_a_broken_one_is_found() -> None:
    assert parse(f"<tool_call>{{oops}}</tool_call>{ADD}").names == ["add"]
    assert parse(f"<tool_call>{ADD}").names == ["add"]


def test_a_tag_named_in_a_sentence_does_not_stop_the_stream() -> None:
    parser = ToolCallParser()
    assert joined(parser.push("write <tool_call> and")).content == "write <tool_call> and"


@pytest.mark.parametrize("end", ["", "</tool", "\n"])
def test_a_whole_call_cut_off_before_its_closing_tag_counts(end: str) -> None:
    assert parse(ADD.removesuffix("</tool_call>") + end).names == ["add"]


def test_a_call_cut_off_in_its_arguments_is_content() -> None:
    text = '<tool_call>{"name": "add", "argum'
    assert parse(text) == Reply(text)


def test_arguments_written_as_a_string_or_left_out_are_understood() -> None:
    assert parse('<tool_call>{"name": "f", "arguments": "{\\"a\\": 1}"}').arguments == ['{"a": 1}']
    assert parse('<tool_call>{"name": "now"}</tool_call>').arguments == ["{}"]


def test_content_is_shown_at_once_but_for_the_beginning_of_a_tag() -> None:
    parser = ToolCallParser()
    assert joined(parser.push("a < b <tool")).content == "a < b "
    assert joined(parser.push("box>")).content == "<toolbox>"


@pytest.mark.parametrize(
    "piece", ["<tool_call>", '<tool_call>{"', "<tool_call> ", " ", "<tool_call>{"]
)
def test_hostile_repetition_costs_the_same_for_each_character(piece: str) -> None:
    start = time.perf_counter()
    text = piece * 20_000
    assert parse(*text).content == text
    assert time.perf_counter() - start < 2.0
