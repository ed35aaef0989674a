"""Pairs of a trie's node and an automaton's state, followed one by one: best where they are few.

From each pair by the side that has fewer edges. Knows no rules.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from forge_common.grammar.automata.byte_automaton import ByteAutomaton
from forge_common.grammar.engine.reach import Reach
from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT, VocabularyTrie

Pair = tuple[int, int, int]  # node, state, code points read; plain, since there are very many


class PairWalk:
    def __init__(self, automaton: ByteAutomaton, trie: VocabularyTrie) -> None:
        self._automaton = automaton
        self._trie = trie
        self._tokens: list[Pair] = []
        self._ends: list[Pair] = []
        self._waiting: list[Pair] = []
        self.num_pairs = 0

    def begin_at(self, pairs: Iterable[Pair]) -> None:
        """What they are themselves was looked at already."""
        self._waiting = list(pairs)

    def begin(self, state: int, nodes: tuple[int, ...]) -> None:
        self._waiting = [(node, state, 0) for node in nodes]
        if self._automaton.is_accepting(state):
            self._ends += self._waiting

    def follow(self, max_pairs: int) -> int:
        """How many more pairs there were, up to that many; fewer than that: it is over."""
        waiting = self._waiting
        num_pairs = 0
        while waiting and num_pairs < max_pairs:
            num_pairs += 1
            self._expand(waiting.pop(), waiting)
        self.num_pairs += num_pairs
        return num_pairs

    def reach(self) -> Reach:
        tokens = np.array(self._tokens, np.int32).reshape(-1, 3).T
        ends = np.array(self._ends, np.int32).reshape(-1, 3).T
        return Reach(tokens[0], tokens[1], tokens[2], ends[0], ends[2])

    def _expand(self, pair: Pair, waiting: list[Pair]) -> None:
        node, state, num_characters = pair
        row = self._automaton.row(state)
        firsts, bytes_ = self._trie.first_child_list, self._trie.byte_string
        first, end = firsts[node], firsts[node + 1]
        if end - first <= len(row):
            children = [(child, row.get(bytes_[child])) for child in range(first, end)]
        else:
            children = [(bytes_.find(byte, first, end), to) for byte, to in row.items()]
        for child, to in children:
            if child > ROOT and to is not None:
                self._arrive(child, to, num_characters, waiting, state)

    def _arrive(
        self, child: int, to: int, num_characters: int, waiting: list[Pair], state: int
    ) -> None:
        automaton, trie = self._automaton, self._trie
        if automaton.ends_character(to) and state != automaton.start:
            num_characters += 1
        token = trie.token_list[child]
        if token != NO_TOKEN:
            self._tokens.append((token, to, num_characters))
        firsts = trie.first_child_list
        if firsts[child] < firsts[child + 1]:
            waiting.append((child, to, num_characters))
            if automaton.is_accepting(to):
                self._ends.append((child, to, num_characters))
