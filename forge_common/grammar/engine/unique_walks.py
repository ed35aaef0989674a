"""Walks of arrays whose items are all different: those of their items, less what is there already.

Tokens that read on in an item are those of the item's own walk, which knows nothing of the array
and so is shared, but for the tokens along items that are there already. Behind the item's end a
token may run into the next one, whose first bytes it has then chosen. Only where these can become
the very item that has just ended it matters which one that was, and such nodes are walked one by
one. Knows no stacks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from forge_common.grammar.engine.memory import Steps
from forge_common.grammar.engine.node_sets import NodeSet, NodeSets
from forge_common.grammar.engine.places import Place
from forge_common.grammar.engine.readers import WHITESPACE
from forge_common.grammar.engine.token_sets import TokenUnion, without
from forge_common.grammar.engine.unique_arrays import CLOSE, COMMA, Phase, Reading, UniquePlace
from forge_common.grammar.engine.walk import Ask, Walk, Walking
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT, VocabularyTrie


class _At(NamedTuple):
    """A node, and what has been read of an item there."""

    node: int
    reading: Reading


class _Lost(NamedTuple):
    """Where tokens have run into items that are there already."""

    used_up: list[_At]  # nothing can come of the item that is not there
    repeated: set[int]  # an item has ended that is there


class _Ended(NamedTuple):
    """A node behind a comma, and the item in front of that."""

    node: int
    text: bytes


class UniqueWalks:
    def __init__(
        self,
        vocabulary: Vocabulary,
        node_sets: NodeSets,
        steps: Steps,
        ask: Callable[[Place, NodeSet], Ask],
    ) -> None:
        self._vocabulary = vocabulary
        self._trie = vocabulary.trie
        self._node_sets = node_sets
        self._steps = steps
        self._ask = ask

    def walk(self, place: UniquePlace, nodes: NodeSet) -> Walking:
        """Where an item is being read, or may begin.

        No node of several is below another where there are items already: those are then nodes
        where one item has ended, and that is the only one that began there.
        """
        lost = self._find_lost(place, nodes)
        tokens, leftovers = TokenUnion(), []
        if CLOSE in place.moves.edges and place.local.phase is Phase.FIRST:
            leftovers.append(self._read(nodes, CLOSE, tokens))
        ended = yield from self._walk_item(place, nodes, lost, tokens)
        if ended is not None:
            leftovers += yield from self._walk_behind(place, nodes, ended, tokens)
        there = [one for one in leftovers if one is not None]
        return Walk(tokens.tokens(self._vocabulary), self._node_sets.union(there))

    def _read(self, nodes: NodeSet, byte: int, tokens: TokenUnion) -> NodeSet | None:
        child = self._node_sets.child(nodes, byte)
        tokens.add_ids(child.tokens)
        return child.further

    # within an item

    def _find_lost(self, place: UniquePlace, nodes: NodeSet) -> _Lost:
        """Only along items that are there."""
        lost = _Lost([], set())
        waiting = [_At(node, place.reading) for node in nodes.nodes]
        while waiting:
            node, reading = waiting.pop()
            self._steps.spend()
            if reading.alike.is_text:
                lost.repeated.add(node)
            for byte in reading.alike.children:
                child = self._trie.child(node, byte)
                if child == ROOT:
                    continue
                following = place.machine.read(reading, byte)
                if following is None:
                    lost.used_up.append(_At(child, place.machine.read_on(reading, byte)))
                else:
                    waiting.append(_At(child, following))
        return lost

    def _walk_item(
        self, place: UniquePlace, nodes: NodeSet, lost: _Lost, tokens: TokenUnion
    ) -> Generator[Ask, Any, NodeSet | None]:
        """Adds the tokens that end within the item; where it has ended."""
        read, ended = yield from self._walk_heads(place.reading, nodes)
        lost_tokens, lost_nodes = TokenUnion(), set(lost.repeated)
        for node, reading in lost.used_up:
            lost_nodes.add(node)
            if self._trie.token_list[node] != NO_TOKEN:
                lost_tokens.add_ids([self._trie.token_list[node]])
            below = self._node_sets.of((node,))
            if below is not None:
                further, ends = yield from self._walk_heads(reading, below)
                lost_tokens.add(further.tokens(self._vocabulary))
                lost_nodes.update(ends.nodes if ends else ())
        taken = read.tokens(self._vocabulary)
        tokens.add(without(taken, lost_tokens.tokens(self._vocabulary), self._vocabulary))
        if ended is None or lost_nodes.isdisjoint(ended.nodes):
            return ended
        return self._node_sets.of(set(ended.nodes) - lost_nodes)

    def _walk_heads(
        self, reading: Reading, nodes: NodeSet
    ) -> Generator[Ask, Any, tuple[TokenUnion, NodeSet | None]]:
        tokens, leftovers = TokenUnion(), []
        for head in reading.heads:
            walk = yield self._ask(head, nodes)
            tokens.add(walk.tokens)
            leftovers += [walk.leftover] if walk.leftover else []
        return tokens, self._node_sets.union(leftovers)

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
        starts = set(nodes.nodes)
        for node in self._nodes_that_may_matter(place, further):
            self._steps.spend()
            for rest in self._rests_before(starts, node):
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

    def _rests_before(self, starts: set[int], node: int) -> Iterator[bytes]:
        """What has been read before the comma at a node, from each of the starts above it."""
        path = bytearray()
        while node != ROOT:
            path.append(self._trie.byte_string[node])
            node = int(self._trie.parent[node])
            if node in starts:
                yield bytes(reversed(path)).removesuffix(b",").rstrip(WHITESPACE)

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
            reading = place.machine.read_on(reading, byte)
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
