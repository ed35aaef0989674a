"""Strings that are nearly free, walked as what sets them apart from free ones.

A string that must not be one of some keys allows nearly every token wherever it stands. What it
does not allow, or leads elsewhere, lies along those keys: two runs of one automaton, from the state
in question and from the free one, differ there and nowhere else. So the walk of the free string,
which all of them share, is taken over and corrected. Knows no rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.engine.memory import Steps
from forge_common.grammar.engine.token_sets import NO_IDS, TokenSet
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.grammar.vocabulary_trie import NO_TOKEN, VocabularyTrie

MAX_PAIRS = 1000


class Difference(NamedTuple):
    lost_tokens: list[int]
    gained_tokens: list[int]
    lost_ends: set[int]  # nodes where the string no longer ends
    gained_ends: set[int]


class Runs(NamedTuple):
    """Of one automaton, over the bytes to a node."""

    node: int
    state: int | None  # None: this run is over
    free: int | None


def find_difference(
    automaton: ByteAutomaton, start: Runs, trie: VocabularyTrie, steps: Steps
) -> Difference | None:
    """None where there is too much of it."""
    found = Difference([], [], set(), set())
    waiting = [start]
    num_pairs = 0
    while waiting:
        runs = waiting.pop()
        num_pairs += 1
        if num_pairs > MAX_PAIRS:
            return None
        steps.spend()
        for child in _diverging(automaton, runs, trie):
            _record(automaton, child, trie, found)
            waiting.append(child)
    return found


def corrected(tokens: TokenSet, found: Difference, vocabulary: Vocabulary) -> TokenSet:
    bits = vocabulary.words(tokens.ids)
    if tokens.bits is not None:
        bits |= tokens.bits
    bits &= ~vocabulary.words(np.array(found.lost_tokens, np.int32))
    return TokenSet(NO_IDS, bits | vocabulary.words(np.array(found.gained_tokens, np.int32)))


def _diverging(automaton: ByteAutomaton, runs: Runs, trie: VocabularyTrie) -> Iterator[Runs]:
    """Children at which the two runs stand in different states."""
    row = {} if runs.state is None else automaton.row(runs.state)
    free_row = {} if runs.free is None else automaton.row(runs.free)
    first, end = trie.first_child_list[runs.node], trie.first_child_list[runs.node + 1]
    for child in range(first, end):
        byte = trie.byte_string[child]
        state, free = row.get(byte), free_row.get(byte)
        if state != free:
            yield Runs(child, state, free)


def _record(automaton: ByteAutomaton, runs: Runs, trie: VocabularyTrie, found: Difference) -> None:
    node, state, free = runs
    token = trie.token_list[node]
    if token != NO_TOKEN and (state is None) is not (free is None):
        (found.lost_tokens if state is None else found.gained_tokens).append(token)
    is_end = state is not None and automaton.is_accepting(state)
    is_free_end = free is not None and automaton.is_accepting(free)
    if is_end is not is_free_end:
        (found.gained_ends if is_end else found.lost_ends).add(node)
