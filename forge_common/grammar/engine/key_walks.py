"""Walks of keys that must differ: within a key, and behind it.

A token may run over a key's end, its value and a comma into the next key. Only there it matters
which key that was, and such nodes are walked one by one. Knows no stacks.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from forge_common.grammar.engine.distinct_keys import KeyHead, KeyPlace
from forge_common.grammar.engine.node_sets import NodeSet
from forge_common.grammar.engine.objects import COMMA
from forge_common.grammar.engine.token_sets import TokenUnion
from forge_common.grammar.engine.unique_text_walks import TextWalks
from forge_common.grammar.engine.unique_texts import Reading
from forge_common.grammar.engine.walk import Ask, Walk, Walking
from forge_common.grammar.vocabulary_trie import VocabularyTrie


class KeyWalks:
    def __init__(self, texts: TextWalks) -> None:
        self._texts = texts
        self._vocabulary = texts.vocabulary
        self._node_sets = texts.node_sets
        self._above_keys: dict[bytes, list[bool]] = {}

    def walk(self, place: KeyPlace, nodes: NodeSet) -> Walking:
        """Where a key is being read, or may begin."""
        tokens, leftovers = TokenUnion(), []
        within = yield from self._texts.walk(place.machine, place.reading, nodes, tokens)
        for head, ended in within.ended.items():
            if isinstance(head, KeyHead):
                for ask in self._behind(place, head, nodes, ended):
                    walk = yield ask
                    tokens.add(walk.tokens)
                    leftovers += [] if walk.leftover is None else [walk.leftover]
        return Walk(tokens.tokens(self._vocabulary), self._node_sets.union(leftovers))

    def _behind(
        self, place: KeyPlace, head: KeyHead, starts: NodeSet, ended: NodeSet
    ) -> Iterator[Ask]:
        has_next_key = self._has_next_key(place.machine.key_starts)
        special = [node for node in ended.nodes if has_next_key[node]]
        others = self._node_sets.of(set(ended.nodes).difference(special)) if special else ended
        if others is not None:
            yield self._texts.ask(place.machine.behind_some(place.local, head.entry), others)
        for node in special:
            alone = self._node_sets.of((node,))
            for rest in self._texts.rests_before(starts, node):
                self._texts.steps.spend()
                reading = _read(place, rest)
                if alone is not None and reading is not None and reading.is_whole:
                    for behind in place.machine.behind(place.local, reading):
                        yield self._texts.ask(behind, alone)

    def _has_next_key(self, key_starts: bytes) -> list[bool]:
        """Of nodes: whether a comma comes further on, and the start of a key behind that."""
        found = self._above_keys.get(key_starts)
        if found is None:
            found = _above_keys(self._vocabulary.trie, key_starts)
            self._above_keys[key_starts] = found
        return found


def _read(place: KeyPlace, rest: bytes) -> Reading | None:
    reading: Reading | None = place.reading
    for byte in rest:
        reading = place.machine.read(reading, byte) if reading else None
    return reading


def _above_keys(trie: VocabularyTrie, key_starts: bytes) -> list[bool]:
    is_start = np.isin(trie.bytes_by_node, list(key_starts))
    is_above_start = np.zeros(trie.num_nodes, bool)
    is_above_key = np.zeros(trie.num_nodes, bool)
    for first, end in reversed(trie.levels):
        here = slice(first, end)
        parents, bytes_here = trie.parent[here], trie.bytes_by_node[here]
        is_above_start[parents[is_above_start[here] | is_start[here]]] = True
        is_key_here = is_above_start[here] & (bytes_here == COMMA)
        is_above_key[parents[is_above_key[here] | is_key_here]] = True
    found: list[bool] = is_above_key.tolist()
    return found
