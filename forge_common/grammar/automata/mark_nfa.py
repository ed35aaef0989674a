"""Where calls begin in free text, and thoughts, as an NFA over bytes: texts, spaces, JSON's keys.

    anywhere ──text──▶ found             line ──{"name": "add", "parameters": {──▶ found
       │ newline                          │  └──[add(──▶ found
       ▼                                  ▼ spaces
      line                               line

An object or a list that no mark announces is a call once its name is known and its arguments begin;
up to there it may turn out to be none, and is then content as a whole, whatever it holds: nothing
else is looked for in it. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from forge_common.grammar.program import SPECIAL, FreeEnd, FreeStart, Marks

Nodes = frozenset[int]

ALL_BYTES = frozenset(range(256)) - frozenset(SPECIAL)
SPACES = frozenset(b" \t\r\n")
LINE_SPACES = SPACES - frozenset(b"\n")
IN_STRINGS = ALL_BYTES - frozenset(b'"\\')
ARGUMENT_KEYS = (b'"arguments"', b'"parameters"')
OTHER_KEYS = (b'"type"', b'"id"')


class Edge(NamedTuple):
    bytes: frozenset[int]
    to: int


class MarkNfa:
    def __init__(self, marks: Marks) -> None:
        self._edges: list[list[Edge]] = []
        self.found: dict[int, bytes] = {}  # by node, where a mark has ended
        self.refused = self._node()  # here no text goes on
        self._anywhere = self._node(loops_on=ALL_BYTES)
        self._line = self._node(loops_on=LINE_SPACES)
        # The same of what is read as an object: where its line stands if it turns out to be none.
        self._within = self._node(loops_on=ALL_BYTES)
        self._line_within = self._node(loops_on=LINE_SPACES)
        self._add(self._anywhere, b"\n", self._line)
        self._add(self._within, b"\n", self._line_within)
        self._replaced: dict[int, Nodes] = {}
        first_of_objects = len(self._edges)
        self._fenced = self._node(loops_on=SPACES)
        if marks.names:
            self._add_objects(marks.names)
        if marks.listed_names:
            self._add_lists(marks.listed_names)
        self._of_objects = frozenset(range(first_of_objects, len(self._edges)))
        self._add_marks(marks)
        self.ends: dict[FreeEnd, Nodes] = {
            "before object": frozenset({self._line, self._fenced}),
            "before list": frozenset({self._line}),
        }
        content = frozenset({self._anywhere, self._line})
        self.starts: dict[FreeStart, Nodes] = {
            "reply": content,
            "thoughts": content,
            "content": content,
            "sequence": content | {self._sequence()},
        }
        if marks.thoughts is not None:
            self._add_thoughts(marks.thoughts.opening, marks.thoughts.closing)
        self.alike = _alike(edge.bytes for edges in self._edges for edge in edges)
        firsts = frozenset(members[0] for members in self.alike)
        self._edges = [
            [Edge(edge.bytes & firsts, edge.to) for edge in edges] for edges in self._edges
        ]

    def row(self, nodes: Nodes) -> dict[int, Nodes]:
        """What follows on the first of each of the bytes that are `alike`."""
        of_object = nodes & self._of_objects
        if not of_object:
            targets = self._targets(nodes)
            return {byte: self._settled(found) for byte, found in targets.items()}
        further, lines = self._targets(of_object), self._targets(nodes - of_object)
        content = self.row(self._left(nodes))
        return {
            byte: frozenset(found | lines[byte]) if found else content[byte]
            for byte, found in further.items()
        }

    def _targets(self, nodes: Nodes) -> dict[int, set[int]]:
        targets: dict[int, set[int]] = {members[0]: set() for members in self.alike}
        for node in nodes:
            for edge in self._edges[node]:
                for byte in edge.bytes:
                    targets[byte].add(edge.to)
        return targets

    def follow(self, nodes: Nodes, text: bytes) -> Nodes:
        firsts = {byte: members[0] for members in self.alike for byte in members}
        for byte in text:
            nodes = self.row(nodes)[firsts[byte]]
        return nodes

    def _left(self, nodes: Nodes) -> Nodes:
        """Where the text is when what might have been a call is none."""
        has_line = self._line_within in nodes
        return frozenset({self._anywhere, self._line} if has_line else {self._anywhere})

    def _settled(self, nodes: set[int]) -> Nodes:
        """What takes the place of all where a tag has ended, or an object has begun."""
        ended = next((node for node in nodes if node in self._replaced), None)
        if ended is not None:
            return self._replaced[ended]
        of_object = self._of_objects.intersection(nodes)
        if of_object and self.refused not in nodes:
            return of_object | {self._within}
        return frozenset(nodes)

    def _add_marks(self, marks: Marks) -> None:
        for text in marks.texts:
            self.found[self._text(self._anywhere, text)] = text
        for text in marks.line_texts:
            self.found[self._text(self._line, text)] = text
        for fence in marks.fences:
            self._add(self._line, fence, self._fenced)

    def _add_objects(self, names: tuple[bytes, ...]) -> None:
        """Objects that may be calls."""
        before_name, behind_name, next_key = (self._node(loops_on=SPACES) for _ in range(3))
        before_comma = self._node(loops_on=SPACES)
        name = self._value(self._keys((before_name, next_key), (b'"name"',)))
        self._add(before_comma, b",", before_name)
        self._add(behind_name, b",", next_key)
        for text in names:
            self._add(name, b'"' + text + b'"', behind_name)
        self._other_members(before_name, before_comma)
        self._other_members(next_key, behind_name)
        arguments = self._value(self._keys((next_key,), ARGUMENT_KEYS))
        self._edges[arguments].append(Edge(frozenset(b'{"'), self.refused))
        self._add(self._line, b"{", before_name)
        self._add(self._fenced, b"{", before_name)

    def _add_lists(self, names: tuple[bytes, ...]) -> None:
        """Lists of what may be calls in Python."""
        before_name = self._node(loops_on=SPACES)
        for text in names:
            self._add(before_name, text + b"(", self.refused)
        self._add(self._line, b"[", before_name)

    def _keys(self, sources: tuple[int, ...], keys: tuple[bytes, ...]) -> int:
        behind = self._node(loops_on=SPACES)
        for source in sources:
            for key in keys:
                self._add(source, key, behind)
        return behind

    def _value(self, behind_key: int) -> int:
        before = self._node(loops_on=SPACES)
        self._add(behind_key, b":", before)
        return before

    def _other_members(self, before: int, behind: int) -> None:
        """Members that mean nothing; their values are strings."""
        value = self._value(self._keys((before,), OTHER_KEYS))
        string, escaped = self._node(loops_on=IN_STRINGS), self._node()
        self._add(value, b'"', string)
        self._add(string, b"\\", escaped)
        self._edges[escaped].append(Edge(ALL_BYTES, string))
        self._add(string, b'"', behind)

    def _sequence(self) -> int:
        """Behind calls: an object here would be read as one more, whatever it holds."""
        before, behind = self._node(loops_on=SPACES), self._node(loops_on=SPACES)
        self._edges[before].append(Edge(frozenset(b";,"), behind))
        for node in (before, behind):
            self._add(node, b"{", self.refused)
        return before

    def _add_thoughts(self, opening: bytes, closing: bytes) -> None:
        before, within = self._node(loops_on=SPACES), self._node(loops_on=ALL_BYTES)
        self._replaced[self._text(before, opening)] = frozenset({within})
        self._replaced[self._text(within, closing)] = self.starts["content"]
        self.starts["reply"] |= {before}
        self.starts["thoughts"] = frozenset({within})

    def _node(self, loops_on: frozenset[int] = frozenset()) -> int:
        node = len(self._edges)
        self._edges.append([Edge(loops_on, node)] if loops_on else [])
        return node

    def _text(self, source: int, text: bytes) -> int:
        """The node behind the text, a new one."""
        end = self._node()
        self._add(source, text, end)
        return end

    def _add(self, source: int, text: bytes, to: int) -> None:
        here = source
        for byte in text[:-1]:
            following = self._node()
            self._edges[here].append(Edge(frozenset({byte}), following))
            here = following
        self._edges[here].append(Edge(frozenset(text[-1:]), to))


def _alike(groups: Iterable[frozenset[int]]) -> list[tuple[int, ...]]:
    """Bytes that every one of `groups` holds together, or not at all."""
    distinct = sorted(set(groups), key=sorted)
    found: dict[tuple[bool, ...], list[int]] = {}
    for byte in sorted(ALL_BYTES):
        found.setdefault(tuple(byte in group for group in distinct), []).append(byte)
    return [tuple(members) for members in found.values()]
