"""However an automaton is walked over the trie, the same is reached."""

from __future__ import annotations

import pytest

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine.dense_rows import DenseRows
from forge_common.grammar.engine.free_text import Runs, find_difference
from forge_common.grammar.engine.level_walks import walk_all, walk_some
from forge_common.grammar.engine.memory import Memory, Steps
from forge_common.grammar.engine.pair_walks import PairWalk
from forge_common.grammar.engine.reach import Reach
from forge_common.grammar.program import JsonString, Number, Pattern, Text
from forge_common.grammar.vocabulary_trie import ROOT
from tests.common.grammar.engine.vocabularies import odd_vocabulary

STORE = AutomatonStore()
AUTOMATA: dict[str, ByteAutomaton] = {
    "free": STORE.string(JsonString()),
    "excluded": STORE.string(JsonString(excluded=("a", "name", "é"))),
    "pattern": STORE.string(JsonString((Pattern("^[a-zé]*(-[a-z]+)*$"),))),
    "text": STORE.text(Text("([a-z1:,]|é|\U0001f600)*")),
    "number": STORE.number(Number(minimum="-12.5")),
}
TRIE = odd_vocabulary().trie


def states_of(automaton: ByteAutomaton) -> list[int]:
    seen, waiting = [automaton.start], [automaton.start]
    while waiting and len(seen) < 25:
        for to in automaton.row(waiting.pop()).values():
            if to not in seen:
                seen.append(to)
                waiting.append(to)
    return seen


def described(reach: Reach) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    tokens = zip(*(array.tolist() for array in reach[:3]), strict=True)
    ends = zip(reach.ends.tolist(), reach.end_characters.tolist(), strict=True)
    has_more = TRIE.has_children
    return sorted(set(tokens)), sorted({end for end in ends if has_more(end[0])})


def stepped(automaton: ByteAutomaton, state: int) -> list[int]:
    """Tokens that can be read to their ends, one by one."""
    found = []
    for token in TRIE.token_at[TRIE.token_nodes].tolist():
        here: int | None = state
        for byte in odd_vocabulary().tokens[token]:
            here = None if here is None else automaton.row(here).get(byte)
        if here is not None:
            found.append(token)
    return found


def walk_pairs(automaton: ByteAutomaton, state: int, *, is_counted: bool) -> Reach:
    pairs = PairWalk(automaton, TRIE, is_counted)
    pairs.begin(state, (ROOT,))
    while pairs.follow(max_pairs=7) == 7:
        pass
    return pairs.reach()


@pytest.mark.parametrize("name", AUTOMATA)
def test_all_ways_reach_the_same(name: str) -> None:
    automaton = AUTOMATA[name]
    for state in states_of(automaton):
        rows = DenseRows(automaton, Memory(2**26))
        expected = described(walk_pairs(automaton, state, is_counted=True))
        bare = described(walk_pairs(automaton, state, is_counted=False))
        assert {token[:2] for token in bare[0]} == {token[:2] for token in expected[0]}
        assert {node for node, _ in bare[1]} == {node for node, _ in expected[1]}
        assert sorted({token for token, _, _ in expected[0]}) == sorted(stepped(automaton, state))
        assert described(walk_some(rows, state, TRIE, (ROOT,))) == expected
        assert described(walk_all(rows, state, TRIE, is_counted=True)) == expected
        uncounted = walk_all(rows, state, TRIE, is_counted=False)
        assert sorted(uncounted.tokens.tolist()) == [token for token, _, _ in expected[0]]


def test_a_walk_of_pairs_stops_when_told_to() -> None:
    automaton = AUTOMATA["text"]
    pairs = PairWalk(automaton, TRIE, is_counted=True)
    pairs.begin(automaton.start, (ROOT,))
    assert (pairs.follow(max_pairs=3), pairs.num_pairs) == (3, 3)


def test_what_sets_a_string_apart_from_a_free_one_lies_along_its_keys() -> None:
    automaton = STORE.string(JsonString(excluded=("a", "name", "é")))
    (state,) = automaton.row(automaton.start).values()
    free = automaton.free_state
    assert free is not None
    found = find_difference(automaton, Runs(ROOT, state, free), TRIE, Steps())
    assert found is not None
    lost = set(stepped(automaton, free)) - set(stepped(automaton, state))
    assert set(found.lost_tokens) == lost
    assert found.gained_tokens == []
    tokens = {odd_vocabulary().tokens[token] for token in lost}
    assert 'é"'.encode() in tokens
    assert all(token.startswith((b'a"', b'name"', 'é"'.encode())) for token in tokens)
