"""An automaton and the trie of the vocabulary, walked side by side.

From a state and some nodes: which tokens can be read to their ends, in which states, with how many
code points; and at which nodes within tokens the automaton may end. Three ways to find out, by how
much there is to find. Knows no rules and no counts' bounds.
"""

from __future__ import annotations

from forge_common.grammar.engine.dense_rows import DenseRows
from forge_common.grammar.engine.level_walks import walk_all, walk_some
from forge_common.grammar.engine.memory import Steps
from forge_common.grammar.engine.pair_walks import PairWalk
from forge_common.grammar.engine.reach import Reach
from forge_common.grammar.vocabulary_trie import ROOT, VocabularyTrie

MAX_PAIRS = 150  # followed one by one, before NumPy begins again
PAIRS_AT_A_TIME = 10  # each may want a row that is not made yet
MANY_BYTES = 24  # a state that may go on with so many is likely to live through most of the trie
NODES_A_STEP = 64  # in NumPy


class AutomatonWalker:
    def __init__(self, trie: VocabularyTrie, steps: Steps) -> None:
        self._trie = trie
        self._steps = steps

    def walk(self, rows: DenseRows, state: int, nodes: tuple[int, ...], is_counted: bool) -> Reach:
        reach = self._walk_few(rows, state, nodes, is_counted) or self._walk_many(
            rows, state, nodes, is_counted
        )
        rows.charge()
        return reach

    def _walk_few(
        self, rows: DenseRows, state: int, nodes: tuple[int, ...], is_counted: bool
    ) -> Reach | None:
        """None where there are too many pairs of node and state."""
        is_wide = nodes == (ROOT,) and len(rows.automaton.row(state)) >= MANY_BYTES
        if not rows.is_sparse and (is_wide or len(nodes) > MAX_PAIRS):
            return None
        pairs = PairWalk(rows.automaton, self._trie, is_counted)
        pairs.begin(state, nodes)
        while pairs.num_pairs < MAX_PAIRS or rows.is_sparse:
            num_pairs = pairs.follow(PAIRS_AT_A_TIME)
            self._steps.spend(num_pairs)
            if num_pairs < PAIRS_AT_A_TIME:
                return pairs.reach()
        return None

    def _walk_many(
        self, rows: DenseRows, state: int, nodes: tuple[int, ...], is_counted: bool
    ) -> Reach:
        if nodes == (ROOT,) and len(rows.automaton.row(state)) >= MANY_BYTES:
            self._steps.spend(self._trie.num_nodes // NODES_A_STEP)
            return walk_all(rows, state, self._trie, is_counted)
        reach = walk_some(rows, state, self._trie, nodes)
        self._steps.spend(len(reach.tokens) // NODES_A_STEP)
        return reach
