"""Tool calls as a list of Python calls."""

from __future__ import annotations

import json
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forge_api.tools import ToolCallArguments, ToolCallStart
from tests.api.tools import replies
from tests.api.tools.replies import Reply, make_parser

parse = partial(replies.parse, "pythonic")
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["a", "b_2", "größe"]), values, max_size=3))
def test_whatever_python_writes_as_a_literal_comes_out_as_json(arguments: dict) -> None:
    written = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    reply = parse(f"[f({written})]")
    assert (reply.content, reply.names) == ("", ["f"])
    assert json.loads(reply.arguments[0]) == arguments


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("'it\\'s'", "it's"),
        ('"a, b) [c"', "a, b) [c"),
        ('""', ""),
        ('"""two\nlines, a "quote" and \\""""', 'two\nlines, a "quote" and "'),
        ("'''x'''", "x"),
        ("\"joined \" 'text'", "joined text"),
        ('"\\d+"', "\\d+"),
        ("(1, 2)", [1, 2]),
        ("(3)", 3),
        ("[]", []),
        ("-1.5e-3", -0.0015),
        ("+7", 7),
        ("1_000", 1000),
        ("true", True),
        ("[null, False]", [None, False]),
        ('{"a": {"b": ()}}', {"a": {"b": []}}),
        ("\n  [1,\n   2],\n", [1, 2]),
    ],
)
def test_literals_are_read_as_python_reads_them(written: str, value: object) -> None:
    reply = parse(f"[f(a={written})]")
    assert [json.loads(arguments) for arguments in reply.arguments] == [{"a": value}]
    assert reply.content == ""


@pytest.mark.parametrize(
    "written",
    [
        "",
        "g(1)",
        "1 + 1",
        "2**9",
        "--1",
        "x",
        "lambda: 0",
        "not True",
        "b'x'",
        "f'{x}'",
        "{1, 2}",
        "{1: 2}",
        "{**{}}",
        "1j",
        "1e999",
        "0x10",
        "01",
        '"\\ud800"',
        '"\\x"',
        '"open\n"',
        "[1",
        "(]",
        "[" * 65 + "]" * 65,
        "__import__('os')",
        "[0][0]",
        "1 2",
        "\0",
    ],
)
def test_what_is_no_literal_of_json_is_content(written: str) -> None:
    text = f"[f(a={written})]"
    assert parse(text) == Reply(text)


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2, 3]",
        "[]",
        "[other(a=1)]",
        "[f]",
        "[f (a=1)]",
        "[f(1)]",
        "[f(a.b=1)]",
        "see [f(a=1)]",
        "[f(a=1",
        "[link](http://x)",
        "<|python_start|>print(1)<|python_end|>",
    ],
)
def test_other_text_is_content(text: str) -> None:
    assert parse(text) == Reply(text)


@pytest.mark.parametrize(
    "number", ["9" * 5000, "1" * 400 + ".5", "0.1000000000000000055", "-0", "1e5"]
)
def test_numbers_that_json_writes_alike_are_left_as_they_are(number: str) -> None:
    reply = parse(f"[f(a={number}, b=[+{number.lstrip('-')[:9]}, {number}])]")
    first, last = json.loads(reply.arguments[0], parse_int=str, parse_float=str).values()
    assert (first, last[1]) == (number, number)


def test_brackets_may_be_64_deep() -> None:
    deep = "[" * 64 + "]" * 64
    assert parse(f"[f(a={deep})]").arguments == [f'{{"a": {deep}}}']


def test_brackets_without_a_call_are_content_behind_one_too() -> None:
    assert parse("[f(a=1)] []\n[]") == Reply(" []\n[]", ["f"], ['{"a": 1}'])


def test_calls_are_separated_by_commas() -> None:
    reply = parse('[f(a=1), now(), f(a="]")] done')
    assert reply == Reply(" done", ["f", "now", "f"], ['{"a": 1}', "{}", '{"a": "]"}'])
    assert parse("[now(),]") == Reply("", ["now"], ["{}"])


def test_marked_lists_may_have_any_names() -> None:
    reply = parse("Hm. <|python_start|>[math.add(a=1,)]<|python_end|>")
    assert reply == Reply("Hm. ", ["math.add"], ['{"a": 1}'])


def test_an_object_between_the_marks_is_a_call() -> None:
    reply = parse('<|python_start|>{"name": "f", "parameters": {"a": 1}}<|python_end|>')
    assert reply == Reply("", ["f"], ['{"a": 1}'])


def test_arguments_are_shown_one_by_one() -> None:
    parser = make_parser("pythonic")
    assert parser.push("[f(a=1") == []
    start, first = parser.push(", b")
    assert isinstance(start, ToolCallStart)
    assert first == ToolCallArguments(0, '{"a": 1')
    assert parser.push("='x')") == [ToolCallArguments(0, ', "b": "x"}')]


@pytest.mark.parametrize("second", ["b=other()", "a=2", "2", "b=1j"])
def test_a_later_argument_that_is_none_ends_the_arguments(second: str) -> None:
    reply = parse(f"[f(a=1,{second})]")
    assert reply == Reply(f"{second})]", ["f"], ['{"a": 1'])
