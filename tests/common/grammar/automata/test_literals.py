"""Sets of byte strings as tries over their sorted order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from forge_common.grammar.automata.literals import LiteralTexts

texts = st.lists(st.binary(max_size=4).map(lambda text: bytes(byte % 3 for byte in text)))


@given(texts, texts)
def test_exactly_the_texts_are_accepted(inside: list[bytes], others: list[bytes]) -> None:
    automaton = LiteralTexts(inside)
    for text in inside + others:
        assert automaton.accepts(text) == (text in inside)
    assert automaton.is_empty == (not inside)


@given(texts)
def test_every_edge_leads_to_a_text(inside: list[bytes]) -> None:
    automaton = LiteralTexts(inside)
    automaton.dense_table(max_states=10_000)
    for state in range(1, automaton.num_states):
        assert automaton.row(state) or automaton.is_accepting(state)


def test_a_million_texts_are_only_walked_where_asked() -> None:
    automaton = LiteralTexts(b"%07d" % number for number in range(300_000))
    assert automaton.accepts(b"0123456")
    assert not automaton.accepts(b"0300000")
    assert automaton.num_states < 100
