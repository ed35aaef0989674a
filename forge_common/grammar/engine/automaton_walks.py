"""An automaton and the trie of the vocabulary, walked side by side.

From a state and some nodes: which tokens can be read to their ends, in which states, with how many
code points; and at which nodes within tokens the automaton may end. Few pairs of node and state are
followed one by one, many level by level in NumPy. Knows no rules and no counts' bounds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from forge_common.grammar.automata.byte_automaton import DEAD, ByteAutomaton
from forge_common.grammar.engine.dense_rows import DenseRows
from forge_common.grammar.engine.memory import Steps
from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT, VocabularyTrie

MAX_PAIRS = 600  # followed one by one, before NumPy begins again
NODES_A_STEP = 64  # in NumPy

Ints = NDArray[np.int32]


class Reach(NamedTuple):
    tokens: Ints  # read to their ends
    token_states: Ints
    token_characters: Ints  # code points read in each
    ends: Ints  # nodes where the automaton accepts, the first ones among them
    end_characters: Ints

    @property
    def num_bytes(self) -> int:
        return sum(array.nbytes for array in self)


class _Pair(NamedTuple):
    node: int
    state: int
    num_characters: int


class AutomatonWalker:
    def __init__(self, trie: VocabularyTrie, steps: Steps) -> None:
        self._trie = trie
        self._steps = steps

    def walk(self, rows: DenseRows, state: int, nodes: tuple[int, ...]) -> Reach:
        reach = self._walk(rows, state, nodes)
        rows.charge()
        return reach

    def _walk(self, rows: DenseRows, state: int, nodes: tuple[int, ...]) -> Reach:
        if rows.is_sparse:
            return self._walk_pairs(rows.automaton, state, nodes, None) or NOWHERE
        found = None
        if len(nodes) <= MAX_PAIRS:
            found = self._walk_pairs(rows.automaton, state, nodes, MAX_PAIRS)
        return self._walk_levels(rows, state, nodes) if found is None else found

    def _walk_pairs(
        self, automaton: ByteAutomaton, state: int, nodes: tuple[int, ...], max_pairs: int | None
    ) -> Reach | None:
        """None where there are more than that."""
        found = _PairReach(automaton)
        waiting = [_Pair(node, state, 0) for node in nodes]
        if automaton.is_accepting(state):
            found.ends.extend(waiting)
        num_pairs = 0
        while waiting:
            pair = waiting.pop()
            num_pairs += 1
            self._steps.spend()
            if max_pairs is not None and num_pairs > max_pairs:
                return None
            waiting += self._follow(pair, found)
        return found.as_arrays()

    def _follow(self, pair: _Pair, found: _PairReach) -> list[_Pair]:
        """From the side that has fewer edges: the trie's node or the automaton's state."""
        trie = self._trie
        first, end = trie.first_child_list[pair.node], trie.first_child_list[pair.node + 1]
        row = found.automaton.row(pair.state)
        following: list[_Pair] = []
        if end - first <= len(row):
            for child in range(first, end):
                to = row.get(trie.byte_string[child])
                if to is not None:
                    found.arrive(trie, pair, child, to, following)
        else:
            for byte, to in row.items():
                child = trie.byte_string.find(byte, first, end)
                if child > ROOT:
                    found.arrive(trie, pair, child, to, following)
        return following

    def _walk_levels(self, rows: DenseRows, state: int, nodes: tuple[int, ...]) -> Reach:
        frontier = _Level(
            np.array(nodes, np.int32),
            np.full(len(nodes), state, np.int32),
            np.zeros(len(nodes), np.int32),
        )
        rows.require(frontier.states[:1])
        parts = [self._arrived(rows, frontier)._replace(tokens=NONE, token_states=NONE)]
        parts[0] = parts[0]._replace(token_characters=NONE)
        while len(frontier.nodes):
            frontier = self._next_level(rows, frontier)
            self._steps.spend(len(frontier.nodes) // NODES_A_STEP + 1)
            parts.append(self._arrived(rows, frontier))
        return Reach(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))

    def _next_level(self, rows: DenseRows, level: _Level) -> _Level:
        rows.require(level.states)
        children, places = self._trie.children(level.nodes)
        states = rows.table[level.states[places], self._trie.bytes_by_node[children]]
        is_live = np.flatnonzero(states != DEAD)
        children, states, places = children[is_live], states[is_live], places[is_live]
        is_character = rows.ends_character[states] & (level.states[places] != rows.automaton.start)
        return _Level(children, states, level.num_characters[places] + is_character)

    def _arrived(self, rows: DenseRows, level: _Level) -> Reach:
        nodes, states, num_characters = level
        tokens = self._trie.token_at[nodes]
        is_token = tokens != NO_TOKEN
        is_end = rows.is_accepting[states]
        return Reach(
            tokens[is_token],
            states[is_token],
            num_characters[is_token],
            nodes[is_end],
            num_characters[is_end],
        )


class _Level(NamedTuple):
    nodes: Ints
    states: Ints
    num_characters: Ints


class _PairReach:
    """What has been reached pair by pair."""

    def __init__(self, automaton: ByteAutomaton) -> None:
        self.automaton = automaton
        self.tokens: list[_Pair] = []
        self.ends: list[_Pair] = []

    def arrive(
        self, trie: VocabularyTrie, pair: _Pair, child: int, to: int, following: list[_Pair]
    ) -> None:
        automaton = self.automaton
        is_character = pair.state != automaton.start and automaton.ends_character(to)
        reached = _Pair(child, to, pair.num_characters + is_character)
        token = trie.token_list[child]
        if token != NO_TOKEN:
            self.tokens.append(reached._replace(node=token))
        if trie.has_children(child):
            if automaton.is_accepting(to):
                self.ends.append(reached)
            following.append(reached)

    def as_arrays(self) -> Reach:
        tokens = np.array(self.tokens, np.int32).reshape(-1, 3).T
        ends = np.array(self.ends, np.int32).reshape(-1, 3).T
        return Reach(tokens[0], tokens[1], tokens[2], ends[0], ends[2])


NONE: Ints = np.empty(0, np.int32)
NOWHERE = Reach(NONE, NONE, NONE, NONE, NONE)
