"""What holds for every format: no cut of the text matters, nothing is lost, nothing is slow."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.tools import FORMATS, ContentDelta, ToolCallArguments, ToolCallParser, ToolCallStart
from forge_api.tools import parser as parser_module
from forge_api.tools.json_value import JsonValue
from tests.api.tools.replies import Reply, cut, cuts, joined, make_parser, parse

ADD = '{"name": "add", "arguments": {"a": "{\\"x\\": [1]} 🙂"}}'
FRAGMENTS = [
    *(mark.text for tool_format in FORMATS.values() for mark in tool_format.marks),
    *(text for tool_format in FORMATS.values() for text in tool_format.inner_texts),
    ADD,
    '{"parameters": {"a": 12.5, "b": [null, true]}, "name": "f"}',
    '{"name": "f", "arguments": {"x": "</tool_call> <tool_call>"}}',
    'add(a=1, b=\'it"s\', c=[True, {"k": None}])',
    'now(text="""two\nlines""")',
    "add(",
    "now()",
    "functools",
    "```",
    ",",
    ";",
    "]",
    "<",
    "{",
    '"',
    "\\",
    "\n",
    " ",
    "x",
    "é🙂",
    "1",
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=9).map("".join)
names = st.sampled_from(sorted(FORMATS))
WRITTEN = {
    "hermes": f"<tool_call>\n{ADD}\n</tool_call>",
    "llama3_json": ADD.replace("arguments", "parameters"),
    "pythonic": '[add(a="{\\"x\\": [1]} 🙂")]',
    "mistral": f"[TOOL_CALLS][{ADD}]",
    "phi4": f"functools[{ADD}]",
    "gemma3": '```tool_code\nadd(a="{\\"x\\": [1]} 🙂")\n```',
}


@given(names, texts, cuts)
def test_any_grouping_of_characters_gives_the_same_reply(
    name: str, text: str, places: list[int]
) -> None:
    whole = parse(name, text)
    assert parse(name, *cut(text, places)) == whole
    assert parse(name, *text) == whole


@given(names, st.text(alphabet='<>{}[]()"\\`=,:abtrue_.1 \n', max_size=60), cuts)
def test_any_grouping_of_any_text_gives_the_same_reply(
    name: str, text: str, places: list[int]
) -> None:
    assert parse(name, *cut(text, places)) == parse(name, text)


@given(names, texts)
def test_without_a_call_every_character_is_content(name: str, text: str) -> None:
    reply = parse(name, text)
    if not reply.names:
        assert reply.content == text


@given(names, texts)
def test_arguments_are_an_object_or_the_beginning_of_one(name: str, text: str) -> None:
    for arguments in parse(name, text).arguments:
        assert arguments.startswith("{")
        value = JsonValue()
        assert all(value.takes(character) for character in arguments)
        if value.is_complete:
            assert isinstance(json.loads(arguments), dict)


@pytest.mark.parametrize("name", FORMATS)
def test_a_call_is_found_between_texts(name: str) -> None:
    reply = parse(name, f"Let me see.\n{WRITTEN[name]}\nThere. {{ok}}")
    assert reply.content == "Let me see.\n\nThere. {ok}"
    assert reply.names == ["add"]
    assert json.loads(reply.arguments[0]) == {"a": '{"x": [1]} 🙂'}


@pytest.mark.parametrize("name", FORMATS)
def test_several_calls_in_one_reply_are_counted(name: str) -> None:
    reply = parse(name, f"{WRITTEN[name]}\n{WRITTEN[name]}")
    assert reply.names == ["add", "add"]
    assert reply.content == ""


@pytest.mark.parametrize("name", FORMATS)
def test_every_beginning_of_a_call_is_read_without_losing_a_character(name: str) -> None:
    for end in range(len(WRITTEN[name])):
        text = WRITTEN[name][:end]
        reply = parse(name, text)
        assert reply.names or reply.content == text


@pytest.mark.parametrize("name", ["hermes", "llama3_json", "mistral", "phi4"])
def test_the_name_comes_first_then_the_arguments_as_they_are_written(name: str) -> None:
    parser = make_parser(name)
    shown = [delta for character in WRITTEN[name] for delta in parser.push(character)]
    assert isinstance(shown[0], ToolCallStart)
    assert shown[0].name == "add"
    assert len(shown) > 20
    assert all(isinstance(delta, ToolCallArguments) for delta in shown[1:])


def test_one_push_makes_one_delta_of_arguments() -> None:
    deltas = make_parser("hermes").push(WRITTEN["hermes"])
    assert [type(delta) for delta in deltas] == [ToolCallStart, ToolCallArguments]


def test_a_number_waits_until_it_is_one() -> None:
    parser = make_parser("hermes")
    assert joined(parser.push('<tool_call>{"name": "f", "arguments": {"a": -')).arguments == [
        '{"a": '
    ]
    assert parser.push("1") == []
    assert parser.push("}") == [ToolCallArguments(0, "-1}")]


def test_content_is_shown_at_once_but_for_the_beginning_of_a_mark() -> None:
    parser = make_parser("hermes")
    assert joined(parser.push("a < b <tool")).content == "a < b "
    assert joined(parser.push("box>")).content == "<toolbox>"


def test_a_reply_of_spaces_stays_one() -> None:
    assert parse("hermes", " \n") == Reply(" \n")


def test_ids_differ_and_look_like_those_of_openai() -> None:
    deltas = make_parser("hermes").push(WRITTEN["hermes"] * 2)
    starts = [delta for delta in deltas if isinstance(delta, ToolCallStart)]
    assert len({start.id for start in starts}) == 2
    assert all(start.id.startswith("call_") for start in starts)


def test_what_is_held_back_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser_module, "MAX_UNDECIDED_CHARACTERS", 100)
    start = '<tool_call>{"note": "'
    parser = make_parser("hermes")
    shown = joined([delta for _ in range(30) for delta in parser.push(start + "x" * 10)]).content
    assert len(shown) >= 30 * 31 - 100 - len("<tool_call>")
    assert shown.startswith(start)


def test_long_arguments_are_never_held_back() -> None:
    text = '<tool_call>{"name": "f", "arguments": {"a": "' + "x" * 1000
    [start, arguments] = make_parser("hermes").push(text)
    assert isinstance(start, ToolCallStart)
    assert isinstance(arguments, ToolCallArguments)
    assert len(arguments.text) > 1000


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "piece", ["{", "[", "<tool_call>", '<tool_call>{"', " ", "\n", "[TOOL_CALLS]x", "[add(", "```"]
)
def test_hostile_repetition_costs_the_same_for_each_character(name: str, piece: str) -> None:
    start = time.process_time()
    text = piece * (10_000 // len(piece))
    assert parse(name, *text).content == text
    assert parse(name, text).content == text
    assert time.process_time() - start < 2.0


def test_no_mark_begins_another_of_its_format() -> None:
    """Else a longer one could not be told from a shorter one that is followed by more."""
    for tool_format in FORMATS.values():
        marks = [mark.text for mark in tool_format.marks]
        assert not any(one != other and other.startswith(one) for one in marks for other in marks)


def test_a_reply_without_calls_has_content_only() -> None:
    parser = ToolCallParser(FORMATS["hermes"], frozenset())
    assert [*parser.push("hello"), *parser.finish()] == [ContentDelta("hello")]
    assert parser.num_calls == 0
