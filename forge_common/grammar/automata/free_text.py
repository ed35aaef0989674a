"""Free text up to where a call begins, as an automaton: the subsets of a small NFA, made lazily.

Any bytes may come, and special tokens between 0xFF and 0xFF. Those that are marks are read as their
text, since that is shown; the others are left out of a reply, so they change nothing. Knows no
tools and no schema.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.grammar.automata.budget import Budget
from forge_common.grammar.automata.byte_automaton import ByteAutomaton, Row
from forge_common.grammar.automata.mark_nfa import ALL_BYTES, MarkNfa, Nodes
from forge_common.grammar.program import SPECIAL, FreeEnd, FreeStart, Marks

(SPECIAL_BYTE,) = SPECIAL
NOT_SHOWN = SPECIAL  # instead of the text of a special token that is no mark


class _Key(NamedTuple):
    nodes: Nodes
    token: bytes | None = None  # as far as a special token's text has been read


class FreeTextAutomaton(ByteAutomaton):
    def __init__(self, marks: Marks, end: FreeEnd, mark: bytes = b"") -> None:
        self._nfa = MarkNfa(marks)
        self._end = end
        self._mark = mark
        self._shown = {*marks.texts, *marks.line_texts}
        if marks.thoughts is not None:
            self._shown |= {marks.thoughts.opening, marks.thoughts.closing}
        self._budget = Budget()
        self._numbers: dict[_Key, int] = {}
        self._keys: list[_Key] = []
        self._rows: dict[int, Row] = {}
        self._start = self.state_at("content")

    def state_at(self, start: FreeStart) -> int:
        return self._number(_Key(self._nfa.starts[start]))

    @property
    def start(self) -> int:
        return self._start

    @property
    def num_states(self) -> int:
        return len(self._keys)

    @property
    def num_bytes(self) -> int:
        return self._budget.num_bytes

    @property
    def ends_everything(self) -> bool:
        return self._end == "anywhere"

    def row(self, state: int) -> Row:
        found = self._rows.get(state)
        if found is None:
            found = self._rows[state] = self._make_row(self._keys[state])
            self._budget.spend_edges(len(found))
        return found

    def is_accepting(self, state: int) -> bool:
        nodes, token = self._keys[state]
        if self._end == "behind mark":
            return self._has_found_it(nodes)
        if token is not None:
            return False
        return self._end == "anywhere" or not nodes.isdisjoint(self._nfa.ends[self._end])

    def ends_character(self, state: int) -> bool:
        return False

    def _make_row(self, key: _Key) -> dict[int, int]:
        if self._has_found_it(key.nodes):
            return {}
        if key.token is not None:
            return self._row_in_token(key.nodes, key.token)
        row = self._row_of_bytes(key.nodes)
        row[SPECIAL_BYTE] = self._number(_Key(key.nodes, b""))
        return row

    def _row_of_bytes(self, nodes: Nodes) -> dict[int, int]:
        self._budget.spend_steps(len(nodes))
        following = self._nfa.row(nodes)
        row: dict[int, int] = {}
        for members in self._nfa.alike:
            to = following[members[0]]
            if self._may_be_at(to):
                row |= dict.fromkeys(members, self._number(_Key(to)))
        return row

    def _row_in_token(self, nodes: Nodes, token: bytes) -> dict[int, int]:
        """`token` is empty behind the first 0xFF: a special token without text is none."""
        other = self._number(_Key(nodes, NOT_SHOWN))
        row = dict.fromkeys(ALL_BYTES, other)
        for text in self._shown if token != NOT_SHOWN else ():
            if text.startswith(token) and text != token:
                begun = text[: len(token) + 1]
                row[begun[-1]] = self._number(_Key(nodes, begun))
        behind = self._behind(nodes, token) if token else nodes
        if token and self._may_be_at(behind):
            row[SPECIAL_BYTE] = self._number(_Key(behind))
        return row

    def _behind(self, nodes: Nodes, token: bytes) -> Nodes:
        return self._nfa.follow(nodes, token) if token in self._shown else nodes

    def _may_be_at(self, nodes: Nodes) -> bool:
        if self._nfa.refused in nodes:
            return False
        return self._has_found_it(nodes) or nodes.isdisjoint(self._nfa.found)

    def _has_found_it(self, nodes: Nodes) -> bool:
        if self._end != "behind mark":
            return False
        return any(self._nfa.found.get(node) == self._mark for node in nodes)

    def _number(self, key: _Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            self._budget.spend_state()
            number = self._numbers[key] = len(self._keys)
            self._keys.append(key)
        return number
