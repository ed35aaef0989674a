"""An automaton and a trie walked level by level in NumPy, all nodes of one depth at a time.

`walk_all` gives every node of the trie a state, dead or not: for automata that allow nearly
everything it is several times faster than keeping to what lives, which `walk_some` does. Knows no
rules.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.grammar.engine.dense_rows import NOWHERE, DenseRows
from forge_common.grammar.engine.pair_walks import PairWalk
from forge_common.grammar.engine.reach import Ints, Reach
from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT, VocabularyTrie

FEW_NODES = 16
PAIRS_AT_A_TIME = 1000
NONE: Ints = np.empty(0, np.int32)


class _Level(NamedTuple):
    nodes: Ints
    numbers: Ints  # of their states, in the table
    num_characters: Ints


def walk_all(rows: DenseRows, state: int, trie: VocabularyTrie, is_counted: bool) -> Reach:
    """From the root."""
    start = rows.number(state)
    numbers = np.full(trie.num_nodes, NOWHERE, np.int32)
    numbers[ROOT] = start
    num_characters = np.zeros(trie.num_nodes if is_counted else 0, np.int32)
    rows.require(numbers[: ROOT + 1])
    for first, end in trie.levels:
        parents = trie.parent[first:end]
        before = numbers.take(parents)
        here = rows.next_numbers(before, trie.bytes_by_node[first:end])
        numbers[first:end] = here
        rows.require(here)
        if is_counted:
            is_character = rows.ends_character[here] & (before != _start_number(rows))
            num_characters[first:end] = num_characters.take(parents) + is_character
    return _gather(rows, trie, numbers, num_characters if is_counted else None)


def _gather(
    rows: DenseRows, trie: VocabularyTrie, numbers: Ints, num_characters: Ints | None
) -> Reach:
    token_numbers = numbers.take(trie.token_nodes)
    is_read = token_numbers != NOWHERE
    tokens = trie.token_at.take(trie.token_nodes[is_read])
    ends = trie.inner_nodes[rows.is_accepting[numbers.take(trie.inner_nodes)]]
    if num_characters is None:
        return Reach(tokens, NONE, NONE, ends, NONE)
    return Reach(
        tokens,
        token_numbers[is_read] - 1,
        num_characters.take(trie.token_nodes[is_read]),
        ends,
        num_characters.take(ends),
    )


def walk_some(rows: DenseRows, state: int, trie: VocabularyTrie, nodes: tuple[int, ...]) -> Reach:
    level = _Level(
        np.array(nodes, np.int32),
        np.full(len(nodes), rows.number(state), np.int32),
        np.zeros(len(nodes), np.int32),
    )
    rows.require(level.numbers[:1])
    begun = _arrived(rows, level, trie)
    parts = [Reach(NONE, NONE, NONE, begun.ends, begun.end_characters)]
    while len(level.nodes):
        following = _next_level(rows, level, trie)
        rows.require(following.numbers)
        parts.append(_arrived(rows, following, trie))
        is_tail = len(following.nodes) < min(len(level.nodes), FEW_NODES)
        level = following
        if is_tail:
            parts.append(_walk_tail(rows, level, trie))
            break
    return Reach(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _walk_tail(rows: DenseRows, level: _Level, trie: VocabularyTrie) -> Reach:
    """A few long tokens, of spaces say: NumPy would take its time for each byte of them."""
    pairs = PairWalk(rows.automaton, trie, is_counted=True)
    states = level.numbers - 1
    columns = (level.nodes.tolist(), states.tolist(), level.num_characters.tolist())
    pairs.begin_at(zip(*columns, strict=True))
    while pairs.follow(PAIRS_AT_A_TIME):
        pass
    return pairs.reach()


def _next_level(rows: DenseRows, level: _Level, trie: VocabularyTrie) -> _Level:
    children, places = trie.children(level.nodes)
    before = level.numbers.take(places)
    numbers = rows.next_numbers(before, trie.bytes_by_node.take(children))
    is_live = np.flatnonzero(numbers)
    children, numbers, places = children[is_live], numbers[is_live], places[is_live]
    is_character = rows.ends_character[numbers] & (before[is_live] != _start_number(rows))
    return _Level(children, numbers, level.num_characters.take(places) + is_character)


def _arrived(rows: DenseRows, level: _Level, trie: VocabularyTrie) -> Reach:
    nodes, numbers, num_characters = level
    tokens = trie.token_at.take(nodes)
    is_token = np.flatnonzero(tokens != NO_TOKEN)
    is_end = np.flatnonzero(rows.is_accepting.take(numbers))
    return Reach(
        tokens[is_token],
        numbers[is_token] - 1,
        num_characters[is_token],
        nodes[is_end],
        num_characters[is_end],
    )


def _start_number(rows: DenseRows) -> int:
    return rows.automaton.start + 1
