"""Walks of arrays whose items are all different.

Behind an item's end a token may run into the next one, whose first bytes it has then chosen. Only
where these can become the very item that has just ended it matters which one that was, and such
nodes are walked one by one. Knows no stacks.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from forge_common.grammar.engine.node_sets import NodeSet
from forge_common.grammar.engine.readers import WHITESPACE
from forge_common.grammar.engine.structure_walks import StructureWalks
from forge_common.grammar.engine.token_sets import TokenUnion
from forge_common.grammar.engine.unique_arrays import CLOSE, COMMA, Phase, UniquePlace
from forge_common.grammar.engine.unique_text_walks import TextWalks
from forge_common.grammar.engine.unique_texts import Reading
from forge_common.grammar.engine.walk import Ask, Walk, Walking
from forge_common.grammar.vocabulary_trie import ROOT, VocabularyTrie


class _Ended(NamedTuple):
    """A node behind a comma, and the item in front of that."""

    node: int
    text: bytes


class UniqueWalks:
    def __init__(self, texts: TextWalks) -> None:
        self._texts = texts
        self._structures = StructureWalks(texts)
        self._vocabulary = texts.vocabulary
        self._trie = texts.vocabulary.trie
        self._node_sets = texts.node_sets
        self._steps = texts.steps
        self._ask = texts.ask

    def walk(self, place: UniquePlace, nodes: NodeSet) -> Walking:
        """Where an item is being read, or may begin."""
        tokens, leftovers = TokenUnion(), []
        if CLOSE in place.moves.edges and place.local.phase is Phase.FIRST:
            leftovers.append(self._read(nodes, CLOSE, tokens))
        within = yield from self._texts.walk(place.machine, place.reading, nodes, tokens)
        ended = self._node_sets.union(within.ended.values())
        if ended is not None and place.machine.has_structures:
            for ask in self._structures.behind(place, nodes, ended):
                walk = yield ask
                tokens.add(walk.tokens)
                leftovers.append(walk.leftover)
        elif ended is not None:
            leftovers += yield from self._walk_behind(place, nodes, ended, tokens)
        there = [one for one in leftovers if one is not None]
        return Walk(tokens.tokens(self._vocabulary), self._node_sets.union(there))

    def _read(self, nodes: NodeSet, byte: int, tokens: TokenUnion) -> NodeSet | None:
        child = self._node_sets.child(nodes, byte)
        tokens.add_ids(child.tokens)
        return child.further

    # behind an item

    def _walk_behind(
        self, place: UniquePlace, nodes: NodeSet, ended: NodeSet, tokens: TokenUnion
    ) -> Generator[Ask, Any, list[NodeSet | None]]:
        machine = place.machine
        if machine.whitespace is not None:
            walk = yield self._ask(machine.whitespace, ended)
            tokens.add(walk.tokens)
            ended = walk.leftover
        behind = machine.behind_some(place.local)
        edges = machine.edges(behind)
        leftovers = []
        if CLOSE in edges:
            leftovers.append(self._read(ended, CLOSE, tokens))
        further = self._read(ended, COMMA, tokens) if COMMA in edges else None
        if further is None:
            return leftovers
        special = list(self._special(place, nodes, further))
        others = self._node_sets.of(set(further.nodes) - {one.node for one in special})
        asks = [] if others is None else [self._ask(machine.place(edges[COMMA]), others)]
        for node, text in special:
            alone = self._node_sets.of((node,))
            following = machine.edges(machine.behind(place.local, text))[COMMA]
            if alone is not None:
                asks.append(self._ask(machine.place(following), alone))
        for ask in asks:
            walk = yield ask
            tokens.add(walk.tokens)
            leftovers.append(walk.leftover)
        return leftovers

    def _special(self, place: UniquePlace, nodes: NodeSet, further: NodeSet) -> Iterator[_Ended]:
        """Nodes behind a comma where it matters which item that was."""
        for node in self._nodes_that_may_matter(place, further):
            self._steps.spend()
            for path in self._texts.rests_before(nodes, node):
                rest = path.removesuffix(b",").rstrip(WHITESPACE)
                text = place.reading.text + rest
                may_matter = self._has_third[node] or self._matters(place, node, text)
                if may_matter and self._is_item(place, rest):
                    yield _Ended(node, text)

    def _nodes_that_may_matter(self, place: UniquePlace, further: NodeSet) -> Iterable[int]:
        """All where what is known of the item can be read again; else those with a third item."""
        text = place.reading.text
        if any(self._is_read(start, text) for start in self._behind_spaces(place, further)):
            return further.nodes
        return (node for node in further.nodes if self._has_third[node])

    def _is_read(self, nodes: NodeSet, text: bytes) -> bool:
        for index, byte in enumerate(text):
            child = self._node_sets.child(nodes, byte)
            if child.further is None:
                return bool(child.tokens) and index == len(text) - 1
            nodes = child.further
        return True

    def _behind_spaces(self, place: UniquePlace, nodes: NodeSet) -> list[NodeSet]:
        """With those behind white space, where there may be some."""
        found = [nodes]
        if place.machine.whitespace is not None:
            for here in found:
                children = (self._node_sets.child(here, byte) for byte in WHITESPACE)
                found += [child.further for child in children if child.further]
        return found

    @cached_property
    def _has_third(self) -> list[bool]:
        """Of nodes behind a comma: whether there is another comma further on."""
        return _above_commas(self._trie)

    def _is_item(self, place: UniquePlace, rest: bytes) -> bool:
        reading: Reading | None = place.reading
        for byte in rest:
            reading = place.machine.read(reading, byte) if reading else None
        return reading is not None and reading.is_whole

    def _matters(self, place: UniquePlace, node: int, text: bytes) -> bool:
        """Whether a token runs from there so far along the item that it is hindered: to its end, or
        to where nothing can come that is neither this item nor there already."""
        alone = self._node_sets.of((node,))
        spaced = self._behind_spaces(place, alone) if alone else []
        return any(
            self._hinders(place, text, self._num_read(start, text))
            for nodes in spaced
            for start in nodes.nodes
        )

    def _num_read(self, node: int, text: bytes) -> int:
        for num_read, byte in enumerate(text):
            node = self._trie.child(node, byte)
            if node == ROOT:
                return num_read
        return len(text)

    def _hinders(self, place: UniquePlace, text: bytes, num_read: int) -> bool:
        reading = Reading(place.machine.heads, b"", place.local.texts)
        for byte in text[:num_read]:
            reading = reading.read_on(byte)
        num_alike = reading.alike.num_texts + 1
        is_read = num_read == len(text)
        return is_read or place.machine.is_used_up(reading.heads, num_alike)


def _above_commas(trie: VocabularyTrie) -> list[bool]:
    is_above = np.zeros(trie.num_nodes, bool)
    for first, end in reversed(trie.levels):
        leads_there = is_above[first:end] | (trie.bytes_by_node[first:end] == COMMA)
        is_above[trie.parent[first:end][leads_there]] = True
    found: list[bool] = is_above.tolist()
    return found
