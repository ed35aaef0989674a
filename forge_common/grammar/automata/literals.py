"""One of a set of byte strings, as the trie that their sorted order already is.

A state is the run of texts that begin with what has been read, so a million texts cost a sort and
then only what is walked. Knows no characters: nothing counts them in a literal.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import NamedTuple

from forge_common.grammar.automata.budget import MAX_EDGES, Budget
from forge_common.grammar.automata.byte_automaton import ByteAutomaton, Row


class _Run(NamedTuple):
    first: int
    end: int
    num_read: int  # bytes that all texts of the run share


class LiteralTexts(ByteAutomaton):
    def __init__(self, texts: Iterable[bytes]) -> None:
        self._texts = sorted(set(texts))
        self._budget = Budget(max_states=MAX_EDGES)
        self._runs = [_Run(0, len(self._texts), 0)]
        self._rows: dict[int, Row] = {}
        self._text_bytes = sum(map(len, self._texts))

    @property
    def start(self) -> int:
        return 0

    @property
    def num_states(self) -> int:
        return len(self._runs)

    @property
    def num_bytes(self) -> int:
        return self._text_bytes + self._budget.num_bytes

    @property
    def num_texts(self) -> int:
        return len(self._texts)

    @property
    def is_empty(self) -> bool:
        return not self._texts

    def row(self, state: int) -> Row:
        found = self._rows.get(state)
        if found is None:
            found = self._make_row(self._runs[state])
            self._budget.spend_edges(len(found))
            self._rows[state] = found
        return found

    def is_accepting(self, state: int) -> bool:
        first, end, num_read = self._runs[state]
        return first < end and len(self._texts[first]) == num_read

    def ends_character(self, state: int) -> bool:
        return False

    def _make_row(self, run: _Run) -> dict[int, int]:
        row: dict[int, int] = {}
        first, end, num_read = run
        if first < end and len(self._texts[first]) == num_read:
            first += 1  # read to its end: the shortest comes first
        while first < end:
            byte = self._texts[first][num_read]
            last = bisect_right(
                self._texts, byte, lo=first, hi=end, key=lambda text: text[num_read]
            )
            row[byte] = len(self._runs)
            self._budget.spend_state()
            self._runs.append(_Run(first, last, num_read + 1))
            first = last
        return row
