"""Walks within texts that must differ: those of who reads them, less what is there already.

Tokens that read on in a text are those of its reader's own walk, which knows nothing of the others
and so is shared, but for the tokens along texts that are there already. Knows no stacks.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

from forge_common.grammar.automata.text_counts import Run
from forge_common.grammar.engine.distinct_keys import KeyHead
from forge_common.grammar.engine.item_states import ItemState
from forge_common.grammar.engine.memory import Steps
from forge_common.grammar.engine.node_sets import NodeSet, NodeSets
from forge_common.grammar.engine.places import Place
from forge_common.grammar.engine.stacks import Stack, Thread
from forge_common.grammar.engine.token_sets import TokenUnion, without
from forge_common.grammar.engine.unique_texts import Reading, TextReader
from forge_common.grammar.engine.walk import Ask
from forge_common.grammar.vocabulary import Vocabulary
from forge_common.grammar.vocabulary_trie import NO_TOKEN, ROOT


class _At(NamedTuple):
    """A node, and what has been read of a text there."""

    node: int
    reading: Reading


class _Below(NamedTuple):
    """Where a walk goes on: a machine, the nodes it begins with, and what lies under it."""

    place: Place
    nodes: NodeSet
    stack: Stack


class _Lost(NamedTuple):
    """Where tokens have run into texts that are there already."""

    used_up: list[_At]  # nothing can come of the text that is not there
    repeated: set[int]  # a text has ended that is there


class _Read(NamedTuple):
    tokens: TokenUnion
    ended: dict[Run, NodeSet]


class Within(NamedTuple):
    """What has been walked within a text: from where, and where it has ended, by who read it."""

    starts: NodeSet
    ended: dict[Run, NodeSet]


class TextWalks:
    def __init__(
        self,
        vocabulary: Vocabulary,
        node_sets: NodeSets,
        steps: Steps,
        ask: Callable[[Place, NodeSet], Ask],
    ) -> None:
        self.vocabulary = vocabulary
        self.node_sets = node_sets
        self.steps = steps
        self.ask = ask
        self._bottom = Stack(frozenset(), is_bottom=True)

    def walk(
        self, reader: TextReader, reading: Reading, nodes: NodeSet, tokens: TokenUnion
    ) -> Generator[Ask, Any, Within]:
        """Adds the tokens that end within the text.

        No node of several is below another where there are texts already: those are then nodes
        where one text has ended, and that is the only one that began there.
        """
        lost = self._find_lost(reader, reading, nodes)
        read = yield from self._walk_heads(reading, nodes)
        lost_tokens, lost_nodes = TokenUnion(), set(lost.repeated)
        for node, used_up in lost.used_up:
            lost_nodes.add(node)
            token = self.vocabulary.trie.token_list[node]
            if token != NO_TOKEN:
                lost_tokens.add_ids([token])
            below = self.node_sets.of((node,))
            if below is not None:
                further = yield from self._walk_heads(used_up, below)
                lost_tokens.add(further.tokens.tokens(self.vocabulary))
                lost_nodes.update(node for ended in further.ended.values() for node in ended.nodes)
        taken = read.tokens.tokens(self.vocabulary)
        tokens.add(without(taken, lost_tokens.tokens(self.vocabulary), self.vocabulary))
        return Within(nodes, self._left(read.ended, lost_nodes))

    def _find_lost(self, reader: TextReader, reading: Reading, nodes: NodeSet) -> _Lost:
        """Only along texts that are there."""
        lost = _Lost([], set())
        waiting = [_At(node, reading) for node in nodes.nodes]
        while waiting:
            node, here = waiting.pop()
            self.steps.spend()
            if here.alike.is_text:
                lost.repeated.add(node)
            for byte in reader.bytes_along(here):
                child = self.vocabulary.trie.child(node, byte)
                if child == ROOT:
                    continue
                following = reader.read(here, byte)
                if following is None:
                    lost.used_up.append(_At(child, reader.read_on(here, byte)))
                else:
                    waiting.append(_At(child, following))
        return lost

    def _walk_heads(self, reading: Reading, nodes: NodeSet) -> Generator[Ask, Any, _Read]:
        read = _Read(TokenUnion(), {})
        for head in reading.heads:
            ended = []
            waiting = [_Below(place, nodes, stack) for place, stack in self._threads(head)]
            seen = set(waiting)
            while waiting:
                place, here, stack = waiting.pop()
                self.steps.spend(len(stack.frames) + 1)
                walk = yield self.ask(place, here)
                read.tokens.add(walk.tokens)
                if walk.leftover is None:
                    continue
                ended += [walk.leftover] if stack.is_bottom else []
                below = {_Below(back, walk.leftover, under) for back, under in stack.frames}
                waiting += below - seen
                seen |= below
            joined = self.node_sets.union(ended)
            if joined is not None:
                read.ended[head] = joined
        return read

    def _threads(self, head: Run) -> tuple[Thread, ...]:
        if isinstance(head, ItemState):
            return head.threads
        if isinstance(head, KeyHead):
            return (Thread(head.place, self._bottom),)
        if isinstance(head, Place):
            return (Thread(head, self._bottom),)
        raise TypeError(f"{head} is no reader")

    def _left(self, ended: dict[Run, NodeSet], lost: set[int]) -> dict[Run, NodeSet]:
        left = {}
        for head, nodes in ended.items():
            is_hit = not lost.isdisjoint(nodes.nodes)
            found = self.node_sets.of(set(nodes.nodes) - lost) if is_hit else nodes
            if found is not None:
                left[head] = found
        return left

    def rests_before(self, starts: NodeSet, node: int) -> list[bytes]:
        """What has been read at a node, from each of the starts above it."""
        trie, above = self.vocabulary.trie, set(starts.nodes)
        path = bytearray()
        found = [b""] if node in above else []
        while node != ROOT:
            path.append(trie.byte_string[node])
            node = int(trie.parent[node])
            if node in above:
                found.append(bytes(reversed(path)))
        return found
