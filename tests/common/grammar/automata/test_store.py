"""Automata of rules, kept warm."""

from __future__ import annotations

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import JsonString, Literals, Number, Pattern, Text


def test_equal_rules_share_one_automaton() -> None:
    store = AutomatonStore()
    rule = JsonString((Pattern("^a"),), excluded=("ab",))
    assert store.string(rule) is store.string(JsonString((Pattern("^a"),), excluded=("ab",)))
    assert store.string(rule) is not store.string(
        JsonString((Pattern("^a", True),), 0, None, ("ab",))
    )
    assert store.number(Number(minimum="1")) is store.number(Number(minimum="1"))
    assert store.text(Text("a")) is store.text(Text("a"))
    assert store.literals(Literals((b"a",))) is store.literals(Literals((b"a",)))


def test_lengths_do_not_make_another_automaton() -> None:
    store = AutomatonStore()
    assert store.string(JsonString(max_length=3)) is store.string(JsonString(min_length=2))


def test_the_oldest_are_forgotten() -> None:
    store = AutomatonStore(max_kept=2)
    first, second = store.text(Text("a")), store.text(Text("b"))
    assert store.text(Text("a")) is first
    store.text(Text("c"))
    assert store.text(Text("a")) is first
    assert store.text(Text("b")) is not second


def test_a_refused_rule_is_refused_again() -> None:
    store = AutomatonStore()
    for _ in range(2):
        with pytest.raises(GrammarError):
            store.text(Text("(?<=a)b"))


def test_kinds_of_rules_are_kept_apart() -> None:
    store = AutomatonStore()
    assert store.text(Text("a|b")).accepts(b"b")
    assert not store.string(JsonString((Pattern("a|b"),))).accepts(b"b")
    assert store.matches("a|b", "xb")
    assert store.literals(Literals((b"a|b",))).accepts(b"a|b")


def test_a_store_knows_what_its_automata_hold() -> None:
    store = AutomatonStore()
    automaton = store.text(Text("[a-z]+"))
    before = automaton.num_bytes
    automaton.row(automaton.start)
    assert automaton.num_bytes > before
    assert store.num_bytes == automaton.num_bytes


def test_what_has_grown_too_large_is_forgotten() -> None:
    store = AutomatonStore(max_bytes=20_000)
    large = store.text(Text("[a-z]{0,40}"))
    assert large.dense_table(1000) is not None
    assert store.num_bytes > 20_000
    store.text(Text("b"))
    assert store.num_bytes < 20_000
    assert store.text(Text("[a-z]{0,40}")) is not large
