"""Walks behind an item of a unique array whose items may be arrays and objects.

A token may run from one item into the next. Only there it matters which item that was, or where
there may be no other left; and such nodes are walked one by one. Knows no stacks.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np

from forge_common.grammar.engine.node_sets import NodeSet
from forge_common.grammar.engine.unique_arrays import COMMA, UniquePlace
from forge_common.grammar.engine.unique_structures import UniqueStructures
from forge_common.grammar.engine.unique_text_walks import TextWalks
from forge_common.grammar.engine.unique_texts import Reading
from forge_common.grammar.engine.walk import Ask
from forge_common.grammar.vocabulary_trie import VocabularyTrie


class StructureWalks:
    def __init__(self, texts: TextWalks) -> None:
        self._texts = texts

    def behind(self, place: UniquePlace, starts: NodeSet, ended: NodeSet) -> Iterator[Ask]:
        machine, of = place.machine, self._texts.node_sets.of
        if isinstance(machine, UniqueStructures) and machine.may_run_out(place.local):
            special = list(ended.nodes)
        else:
            special = [node for node in ended.nodes if self._has_next_item[node]]
        others = of(set(ended.nodes).difference(special)) if special else ended
        if others is not None:
            yield self._texts.ask(machine.place(machine.behind_some(place.local)), others)
        for node in special:
            alone = of((node,))
            for rest in self._texts.rests_before(starts, node):
                self._texts.steps.spend()
                reading = _read(place, rest)
                if alone is not None and reading is not None and reading.is_whole:
                    behind = machine.behind(place.local, reading.text)
                    yield self._texts.ask(machine.place(behind), alone)

    @cached_property
    def _has_next_item(self) -> list[bool]:
        """Of nodes: whether a comma comes further on, and anything behind that."""
        return _above_items(self._texts.vocabulary.trie)


def _read(place: UniquePlace, rest: bytes) -> Reading | None:
    reading: Reading | None = place.reading
    for byte in rest:
        reading = place.machine.read(reading, byte) if reading else None
    return reading


def _above_items(trie: VocabularyTrie) -> list[bool]:
    is_above = np.zeros(trie.num_nodes, bool)
    is_inner = trie.first_child[:-1] < trie.first_child[1:]
    for first, end in reversed(trie.levels):
        here = slice(first, end)
        is_item_here = is_inner[here] & (trie.bytes_by_node[here] == COMMA)
        is_above[trie.parent[here][is_above[here] | is_item_here]] = True
    found: list[bool] = is_above.tolist()
    return found
