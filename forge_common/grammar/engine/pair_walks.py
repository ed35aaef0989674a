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
    def __init__(self, automaton: ByteAutomaton, trie: VocabularyTrie, is_counted: bool) -> None:
        """Otherwise no code points are: there are 0 in each pair."""
        self._automaton = automaton
        self._is_counted = is_counted
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
        automaton, firsts, tokens = (
            self._automaton,
            self._trie.first_child_list,
            self._trie.token_list,
        )
        counts = self._is_counted and state != automaton.start
        for child, to in self._children(node, state):
            num_read = num_characters
            if counts and automaton.ends_character(to):
                num_read += 1
            if tokens[child] != NO_TOKEN:
                self._tokens.append((tokens[child], to, num_read))
            if firsts[child] < firsts[child + 1]:
                waiting.append((child, to, num_read))
                if automaton.is_accepting(to):
                    self._ends.append((child, to, num_read))

    def _children(self, node: int, state: int) -> list[tuple[int, int]]:
        """Of a node, as far as the automaton goes on: each with the state there."""
        row, bytes_ = self._automaton.row(state), self._trie.byte_string
        first, end = self._trie.first_child_list[node : node + 2]
        if end - first <= len(row):
            return [
                (child, row[byte])
                for child, byte in enumerate(bytes_[first:end], first)
                if byte in row
            ]
        return [
            (child, to)
            for byte, to in row.items()
            if (child := bytes_.find(byte, first, end)) > ROOT
        ]
