"""Walks: what a place allows of the tokens of which some bytes have been read already.

    walk(place, nodes) = the tokens that end while the machine of `place` runs, and
                         the nodes where that machine has ended and its caller goes on

No stack has a part in this, so a walk is worked out once for every place, however deep the texts
that lead there and whichever request they belong to. A walk asks for others, each of which has read
more bytes or stands further in; generators keep the open ones, so that no recursion is as deep as
a grammar. Knows no stacks and no whole texts.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, NamedTuple

import numpy as np

from forge_common.grammar.engine.automaton_walks import AutomatonWalker
from forge_common.grammar.engine.distinct_keys import KeyPlace
from forge_common.grammar.engine.free_text import Runs, corrected, find_difference
from forge_common.grammar.engine.key_walks import KeyWalks
from forge_common.grammar.engine.lengths import Room
from forge_common.grammar.engine.memory import Memory, Steps, Table
from forge_common.grammar.engine.node_sets import NodeSet, NodeSets
from forge_common.grammar.engine.places import Moves, Place, StructurePlace
from forge_common.grammar.engine.reach import Ints, Reach
from forge_common.grammar.engine.readers import CountedPlace, CountedReader, ReaderPlace
from forge_common.grammar.engine.token_sets import TokenUnion, token_set
from forge_common.grammar.engine.unique_arrays import UniquePlace
from forge_common.grammar.engine.unique_text_walks import TextWalks
from forge_common.grammar.engine.unique_walks import UniqueWalks
from forge_common.grammar.engine.walk import Ask, Walk, Walking
from forge_common.grammar.vocabulary import Vocabulary

ANY_ROOM = Room()
MAX_INT32 = 2**31 - 1
CHARACTER_BITS = 16
STEPS_OF_A_WALK = 20
NODES_A_STEP = 512
FEW_BYTES = 4
NEARLY = 0.5  # of the bytes a free string may go on with


class _Open(NamedTuple):
    ask: Ask
    walking: Walking


class _CountedReach(NamedTuple):
    """A reach whose tokens are grouped by what their room depends on."""

    reach: Reach
    group_of_token: Ints
    states: list[int]  # a group
    num_characters: list[int]


class Walks:
    def __init__(
        self, vocabulary: Vocabulary, node_sets: NodeSets, memory: Memory, steps: Steps
    ) -> None:
        self._vocabulary = vocabulary
        self._node_sets = node_sets
        self._steps = steps
        self._walker = AutomatonWalker(vocabulary.trie, steps)
        texts = TextWalks(vocabulary, node_sets, steps, self._ask)
        self._unique = UniqueWalks(texts)
        self._keys = KeyWalks(texts)
        self._walks: Table[Ask, Walk] = memory.table(lambda walk: walk.tokens.num_bytes)
        self._reaches: Table[tuple[CountedReader, int, NodeSet], _CountedReach] = memory.table(
            lambda counted: counted.reach.num_bytes + counted.group_of_token.nbytes
        )

    def find(self, place: Place, nodes: NodeSet) -> Walk:
        ask = self._ask(place, nodes)
        found = self._walks.find(ask)
        return self._work_out(ask) if found is None else found

    def _ask(self, place: Place, nodes: NodeSet) -> Ask:
        return Ask(place.near(self._vocabulary.longest_token + 1), nodes)

    def _work_out(self, ask: Ask) -> Walk:
        open_walks: list[_Open] = []
        answer = self._answer_or_open(ask, open_walks)
        while answer is None or open_walks:
            try:
                wanted = open_walks[-1].walking.send(answer)
            except StopIteration as finished:
                walk: Walk = finished.value
                answer = self._walks.keep(open_walks.pop().ask, walk)
            else:
                answer = self._walks.find(wanted) or self._answer_or_open(wanted, open_walks)
        return answer

    def _answer_or_open(self, ask: Ask, open_walks: list[_Open]) -> Walk | None:
        """What reads by itself answers at once."""
        place, nodes = ask
        self._steps.spend(STEPS_OF_A_WALK + len(nodes.nodes) // NODES_A_STEP)
        if isinstance(place, StructurePlace):
            self._steps.spend(len(place.calls))
            open_walks.append(_Open(ask, self._walk_structure(place.moves, nodes)))
            return None
        if isinstance(place, UniquePlace):
            open_walks.append(_Open(ask, self._walk_unique(place, nodes)))
            return None
        if isinstance(place, KeyPlace):
            open_walks.append(_Open(ask, self._walk_key(place, nodes)))
            return None
        if isinstance(place, ReaderPlace) and _is_common_way(place, nodes):
            open_walks.append(_Open(ask, self._walk_structure(_moves_of(place), nodes)))
            return None
        if isinstance(place, CountedPlace) and place.room != ANY_ROOM:
            return self._walks.keep(ask, self._walk_counted(place, nodes))
        if isinstance(place, CountedPlace | ReaderPlace):
            return self._walks.keep(ask, self._walk_reader(place, nodes))
        raise TypeError(f"{place} is a place of no known kind")

    def _walk_unique(self, place: UniquePlace, nodes: NodeSet) -> Walking:
        if place.is_at_item:
            return self._unique.walk(place, nodes)
        return self._walk_structure(place.moves, nodes)

    def _walk_key(self, place: KeyPlace, nodes: NodeSet) -> Walking:
        if place.can_read:
            return self._keys.walk(place, nodes)
        return self._walk_structure(place.moves, nodes)

    def _walk_structure(self, moves: Moves, nodes: NodeSet) -> Walking:
        tokens = TokenUnion()
        leftovers = [nodes] if moves.is_accepting else []
        following = self._read_byte(moves, nodes, tokens)
        for back, reached in (yield from self._call(moves, nodes, tokens)).items():
            joined = self._node_sets.union(reached)
            if joined is not None:
                following.append(self._ask(back, joined))
        for ask in following:
            walk = yield ask
            tokens.add(walk.tokens)
            if walk.leftover is not None:
                leftovers.append(walk.leftover)
        return Walk(tokens.tokens(self._vocabulary), self._node_sets.union(leftovers))

    def _read_byte(self, moves: Moves, nodes: NodeSet, tokens: TokenUnion) -> list[Ask]:
        following = []
        for byte, to in moves.edges.items():
            child = self._node_sets.child(nodes, byte)
            tokens.add_ids(child.tokens)
            if child.further is not None:
                following.append(self._ask(to, child.further))
        return following

    def _call(
        self, moves: Moves, nodes: NodeSet, tokens: TokenUnion
    ) -> Generator[Ask, Any, dict[Place, list[NodeSet]]]:
        """Where the callers go on, once what they call has ended."""
        reached: dict[Place, list[NodeSet]] = {}
        for callee, back, must_read in moves.calls:
            walk = yield self._ask(callee, nodes)
            tokens.add(walk.tokens)
            leftover = walk.leftover
            if must_read:
                leftover = self._node_sets.without(leftover, nodes)
            if leftover is not None:
                reached.setdefault(back, []).append(leftover)
        return reached

    def _walk_reader(self, place: CountedPlace | ReaderPlace, nodes: NodeSet) -> Walk:
        found = self._walk_nearly_free(place, nodes) if isinstance(place, CountedPlace) else None
        if found is not None:
            return found
        reach = self._walker.walk(place.reader.rows, place.state, nodes.nodes, is_counted=False)
        tokens = token_set(reach.tokens, self._vocabulary)
        if place.reader.automaton.ends_everything:
            return Walk(tokens, None)
        return Walk(tokens, self._node_sets.of_array(reach.ends))

    def _walk_nearly_free(self, place: CountedPlace, nodes: NodeSet) -> Walk | None:
        """By what sets it apart from a free string; None where that is too much, or all."""
        free_state, automaton = place.reader.free_state, place.reader.automaton
        if free_state is None or place.state == free_state or len(nodes.nodes) > 1:
            return None
        if len(automaton.row(place.state)) < len(automaton.row(free_state)) * NEARLY:
            return None
        runs = Runs(nodes.nodes[0], place.state, free_state)
        difference = find_difference(automaton, runs, self._vocabulary.trie, self._steps)
        if difference is None:
            return None
        free = self.find(place.reader.counted_place(free_state, ANY_ROOM), nodes)
        tokens = corrected(free.tokens, difference, self._vocabulary)
        ends = set(free.leftover.nodes if free.leftover else ()) - difference.lost_ends
        return Walk(tokens, self._node_sets.of(ends | difference.gained_ends))

    def _walk_counted(self, place: CountedPlace, nodes: NodeSet) -> Walk:
        lengths, room = place.reader.lengths, place.room
        counted = self._counted_reach(place, nodes)
        groups = zip(counted.states, counted.num_characters, strict=True)
        fits = np.array(
            [lengths.can_finish(state, room.after(num_read)) for state, num_read in groups], bool
        )
        reach = counted.reach
        is_enough = reach.end_characters >= min(room.min_left, MAX_INT32)
        if room.max_left is not None:
            is_enough &= reach.end_characters <= min(room.max_left, MAX_INT32)
        tokens = reach.tokens[fits[counted.group_of_token]]
        return Walk(
            token_set(tokens, self._vocabulary), self._node_sets.of_array(reach.ends[is_enough])
        )

    def _counted_reach(self, place: CountedPlace, nodes: NodeSet) -> _CountedReach:
        key = (place.reader, place.state, nodes)
        found = self._reaches.find(key)
        if found is None:
            rows = place.reader.rows
            reach = self._walker.walk(rows, place.state, nodes.nodes, is_counted=True)
            found = self._reaches.keep(key, _group(reach))
        return found


def _is_common_way(place: ReaderPlace, nodes: NodeSet) -> bool:
    """Whether it is worth going byte by byte, as structures do: other keys begin alike, and what
    many nodes have below them on a byte is remembered."""
    row = place.reader.automaton.row(place.state)
    return place.reader.rows.is_sparse and len(nodes.nodes) > 1 and len(row) <= FEW_BYTES


def _moves_of(place: ReaderPlace) -> Moves:
    row = place.reader.automaton.row(place.state)
    edges = {byte: place.reader.place(to) for byte, to in row.items()}
    return Moves(edges, (), place.is_accepting)


def _group(reach: Reach) -> _CountedReach:
    keys = reach.token_states.astype(np.int64) << CHARACTER_BITS | reach.token_characters
    distinct, group_of_token = np.unique(keys, return_inverse=True)
    return _CountedReach(
        reach,
        group_of_token.astype(np.int32),
        (distinct >> CHARACTER_BITS).tolist(),
        (distinct & ((1 << CHARACTER_BITS) - 1)).tolist(),
    )
