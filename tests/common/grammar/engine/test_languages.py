"""What each kind of rule accepts and what it does not, byte by byte."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from forge_common.grammar.engine import Engine, State
from forge_common.grammar.program import (
    Array,
    Choice,
    Contains,
    Item,
    JsonString,
    Literals,
    Object,
    OtherProperties,
    Pattern,
    Program,
    Property,
    Repeat,
    Sequence,
)
from tests.common.grammar.engine.programs import PROGRAMS, program
from tests.common.grammar.engine.vocabularies import odd_vocabulary


class Texts(NamedTuple):
    accepted: tuple[str, ...]
    refused: tuple[str, ...]


def accepts(grammar: Program, text: str) -> bool:
    state: State | None = Engine(odd_vocabulary()).start(grammar)
    state = state and state.advance_bytes(text.encode())
    return state is not None and state.is_accepting


CASES = {
    "literals": Texts(('"abc"', "12", "é€😀"), ("", '"abc', '"abe"', "123", "é€")),
    "integer": Texts(("17", "2042", "100"), ("16", "2043", "17.0", "017", "1e2", "")),
    "number": Texts(("-0.5", "0", "999.999", "9.99e+2"), ("-0.51", "1000", "1e3", "01", ".5")),
    "free string": Texts(
        ('""', '"a\\u00e9\\n"', '"\\ud83d\\ude00"', '"é"'), ('"', '"\n"', '"\\ud83d"', '"\\x"')
    ),
    "counted string": Texts(('"ab"', '"😀😀"', '"\\u0041\\n€é😀"'), ('"a"', '"abcdef"', '"😀"')),
    "counted pattern": Texts(('"aab"', '"b-b-"', '"aaaa"'), ('"aaa"', '"bb"', '"b-b-b"')),
    "excluded": Texts(('""', '"b"', '"abc"', '"\\n"'), ('"a"', '"\\u0061"', '"ab"', '"q\\""')),
    "any value": Texts(
        ("null", '{"a":[1,{}],"a":""}', "[]", "-1e5"), ("nul", "{", '{"a"}', "[1,]", "[ ]")
    ),
    "any value, spaced": Texts(('[ 1 ,\n{"a" : "" } ]', "[]"), ("[1" + " " * 65 + "]", " 1")),
    "array": Texts(("[1]", "[1,2,3]"), ("[]", "[1,2,3,4]", "[1,]")),
    "keywords": Texts(
        ("(a=1)", '(ab="",größe=True,a=1)'),
        ("()", "(a=1,a=1)", '("a"=1)', "(a:1)", "{a=1}", "(a=1,)"),
    ),
    "open keywords, spaced": Texts(
        ("()", '( b = 1 ,\nba="a,b=1")', "(ac=1,aa=1,c=1)"),
        ("(a=1)", "(bb=1)", "(b=1,ba=1,b=1)", "(b=1,b=1)", "(c=1,b=1,aa=1,ab=1)"),
    ),
    "tuple": Texts(('["a"]', '["a",1]', '["a",2,"b","c"]'), ("[]", '["a","b"]', '["a",1,2]')),
    "contains": Texts(("[1,22]", "[0,1,1,1]", "[1,0,0,1]"), ("[1]", "[0,0,0,1]", "[1,1,1,1]")),
    "unique": Texts(('[1,"a"]', '[12,1,"a"]'), ("[1]", "[1,1]", '[12,"a",12]')),
    "unique strings": Texts(
        ("[]", '["","a"]', '["/","\\n","\\u0001","é"]'),
        ('["a","a"]', '["a","b","a"]', '["\\/"]', '["\\u0061"]', '["\\u001F"]', '["abcd"]'),
    ),
    "few unique strings": Texts(
        ('["","a","b","aa"]', '["","a","b","aa","ab","ba","bb"]'),
        ('["a"]', '["","a","b","aa","ab","ba","bb",""]', '["a","b","aa","a"]'),
    ),
    "unique scalars, spaced": Texts(
        ("[1]", "[ 1 ,12,-1.5, null ]", '["a" , "ab","aé"]', "[0,-0.5]"),
        ("[]", "[1,1.0]", "[1 , 1]", "[-0]", "[1e1]", '["ab", "ab"]', "[1,null,2,1 ]"),
    ),
    "ordered object": Texts(
        ('{"name":"x"}', '{"name":"x","tags":[],"y":1}', '{"name":"x","y":1,"y":2}'),
        ("{}", '{"tags":[],"name":"x"}', '{"name":"x","y":1,"tags":[]}', '{"y":1,"name":"x"}'),
    ),
    "unordered object": Texts(
        ('{"tags":[],"name":"x"}', '{"y":1,"name":"x"}'),
        ('{"name":"x","name":"x"}', '{"tags":[]}', '{"n\\u0061me":"x"}'),
    ),
    "counted object": Texts(
        ('{"b":1,"d":1}', '{"a":1,"b":1,"c":1}', '{"d":1,"d":1,"b":true}'),
        ('{"b":1}', '{"a":1,"c":1}', '{"a":1,"c":1,"d":1}', '{"a":1,"b":1,"c":1,"d":1}'),
    ),
    "choice": Texts(('""', '"a":', "null", "5"), ('"a":1', "nul")),
    "sequence": Texts(("aa", "a", "abab", "aab", "aaabb"), ("", "b", "aaaa", "abbb")),
    "repeat": Texts(("aa", "a€", "aabaaba€"), ("a", "€" * 5, "b")),
    "empty repeats": Texts(("", "xy", "zxyz" * 20), ("x", "zy")),
    "right recursion": Texts(("a", "aaa.", "a" * 500), ("", ".", "a..")),
    "palindromes": Texts(("", "c", "abcba"[:0], "acb", "ab" * 50), ("a", "acbb", "cc")),
}


@pytest.mark.parametrize("name", CASES)
def test_rule_accepts_its_texts_and_no_others(name: str) -> None:
    for text in CASES[name].accepted:
        assert accepts(PROGRAMS[name], text), text
    for text in CASES[name].refused:
        assert not accepts(PROGRAMS[name], text), text


def test_a_property_whose_value_nothing_matches_is_left_out() -> None:
    grammar = program(
        Object((Property("a", 1), Property("b", 2)), (OtherProperties(3, 1),)),
        Choice(()),
        Literals((b"1",)),
        JsonString(),
    )
    assert accepts(grammar, '{"b":1}')
    assert not accepts(grammar, '{"a":1}')
    assert not accepts(grammar, '{"c":1}')


def test_no_more_items_than_can_follow_one_another() -> None:
    grammar = program(
        Array((Item(other=2), Item(other=1)), Item(other=2)), Choice(()), Literals((b"1",))
    )
    assert accepts(grammar, "[]")
    assert accepts(grammar, "[1]")
    assert not accepts(grammar, "[1,1]")


def test_items_that_count_are_kept_in_reserve() -> None:
    """The first may not be a 0: only two items can count, and both have to."""
    grammar = program(
        Array((Item(1, 2), Item(1, 2)), Item(other=1), contains=Contains(2)),
        Literals((b"0",)),
        Literals((b"1",)),
    )
    assert accepts(grammar, "[1,1,0]")
    state = Engine(odd_vocabulary()).start(grammar).advance_bytes(b"[")
    assert state is not None
    assert state.advance_bytes(b"0") is None


def test_recursion_without_an_end_matches_nothing_and_is_left_out() -> None:
    endless = Sequence((2, 1))
    grammar = program(Choice((1, 2)), endless, Literals((b"a",)))
    assert accepts(grammar, "a")
    assert not accepts(grammar, "aa")


def test_strings_of_which_none_is_left_match_nothing() -> None:
    impossible = JsonString((Pattern("^(aa)*$"),), min_length=3, max_length=3)
    grammar = program(Repeat(1), impossible)
    assert accepts(grammar, "")
    assert not accepts(grammar, '"')
