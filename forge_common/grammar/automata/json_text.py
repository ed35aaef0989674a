"""A language of symbols, written out: plain UTF-8 text, or a JSON string with its quotes.

Between two code points a state is one of the language's; within one it is a place in the spelling
tree, with the states that the symbols below it lead to. Knows nothing of patterns.
"""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import NamedTuple

from forge_common.grammar.automata.byte_automaton import ByteAutomaton, Row
from forge_common.grammar.automata.json_escapes import QUOTE, Escapes, spell_json
from forge_common.grammar.automata.language import Language
from forge_common.grammar.automata.lengths import Completions
from forge_common.grammar.automata.spelling import SpellingNode, SpellingTree
from forge_common.grammar.automata.utf8 import spell_utf8


class _Between(NamedTuple):
    language_state: int


class _Within(NamedTuple):
    node: int
    targets: tuple[int | None, ...]  # of the node's symbols


class _Outside(NamedTuple):
    """Of the quotes."""

    is_closed: bool
    is_outside: bool = True


class SpelledText(ByteAutomaton):
    def __init__(self, language: Language, tree: SpellingTree) -> None:
        self._language = language
        self._tree = tree
        self._keys: list[_Between | _Within | _Outside] = []
        self._numbers: dict[_Between | _Within | _Outside, int] = {}
        self._rows: dict[int, Row] = {}
        self._start = self._begin()

    @property
    def start(self) -> int:
        return self._start

    @property
    def num_states(self) -> int:
        return len(self._keys)

    @property
    def num_bytes(self) -> int:
        return self._language.num_bytes + self._tree.num_bytes

    @property
    def is_empty(self) -> bool:
        return self._language.states.is_empty

    def row(self, state: int) -> Row:
        found = self._rows.get(state)
        if found is None:
            found = self._make_row(self._keys[state])
            self._language.budget.spend_edges(len(found))
            self._rows[state] = found
        return found

    def is_accepting(self, state: int) -> bool:
        key = self._keys[state]
        return isinstance(key, _Between) and self._language.states.is_accepting(key.language_state)

    def ends_character(self, state: int) -> bool:
        return isinstance(self._keys[state], _Between)

    @cached_property
    def _root(self) -> SpellingNode:
        root = self._spell_alphabet()
        self._tree.finish()
        return root

    @abstractmethod
    def _spell_alphabet(self) -> SpellingNode: ...

    def _begin(self) -> int:
        return self._number(_Between(self._language.states.start))

    def _number(self, key: _Between | _Within | _Outside) -> int:
        number = self._numbers.get(key)
        if number is None:
            self._language.budget.spend_state()
            number = self._numbers[key] = len(self._keys)
            self._keys.append(key)
        return number

    def _make_row(self, key: _Between | _Within | _Outside) -> dict[int, int]:
        if isinstance(key, _Between):
            edges = self._language.states.edges(key.language_state)
            targets = {symbol: self._number(_Between(to)) for symbol, to in edges.items()}
            return self._spell(self._root, targets)
        if isinstance(key, _Within):
            node = self._tree.nodes[key.node]
            pairs = zip(node.symbols, key.targets, strict=True)
            return self._spell(node, {symbol: to for symbol, to in pairs if to is not None})
        return {}

    def _spell(self, node: SpellingNode, targets: dict[int, int]) -> dict[int, int]:
        row: dict[int, int] = {}
        for leaf in node.leaves:
            to = targets.get(leaf.symbol)
            if to is not None:
                row.update(dict.fromkeys(leaf.bytes, to))
        for inner in node.inner:
            within = self._within(inner.node, targets)
            if within is not None:
                row.update(dict.fromkeys(inner.bytes, self._number(within)))
        return row

    def _within(self, node: int, targets: dict[int, int]) -> _Within | None:
        """None where nothing below the node leads anywhere."""
        spelled = self._tree.nodes[node]
        self._language.budget.spend_steps(len(spelled.symbols))
        found = tuple(map(targets.get, spelled.symbols))
        distinct = set(found)
        if distinct == {None}:
            return None
        if len(distinct) > 1:
            return _Within(node, found)
        return _Within(node if spelled.shape is None else spelled.shape, found[:1])


class PlainText(SpelledText):
    """UTF-8 as it is."""

    def _spell_alphabet(self) -> SpellingNode:
        return spell_utf8(self._language.alphabet, self._tree)


class QuotedText(SpelledText):
    """A JSON string, from its opening quote to its closing one."""

    def __init__(self, language: Language, escapes: Escapes, tree: SpellingTree) -> None:
        super().__init__(language, tree)
        self._escapes = escapes
        self._closed = self._number(_Outside(is_closed=True))
        universal = language.universal
        self._free = None if universal is None else self._number(_Between(universal))

    @property
    def free_state(self) -> int | None:
        """Where any string may follow, and its closing quote; None where that is nowhere."""
        return self._free

    def can_finish(self, state: int, fewest: int, most: int | None) -> bool:
        """Whether the string can be closed after `fewest` to `most` more code points.

        Within a code point that one is still to come. GrammarTooLarge where a pattern has more
        states than lengths can be counted for.
        """
        key = self._keys[state]
        if isinstance(key, _Between):
            return self._completions.can_finish(key.language_state, fewest, most)
        if isinstance(key, _Within):
            rest = None if most is None else most - 1
            targets = {to for to in key.targets if to is not None}
            return any(self.can_finish(to, fewest - 1, rest) for to in targets)
        if key.is_closed:
            return fewest <= 0
        start = self._language.states.start
        return not self.is_empty and self._completions.can_finish(start, fewest, most)

    @cached_property
    def _completions(self) -> Completions:
        return Completions(self._language)

    def is_accepting(self, state: int) -> bool:
        return state == self._closed

    def _spell_alphabet(self) -> SpellingNode:
        return spell_json(self._language.alphabet, self._escapes, self._tree)

    def _begin(self) -> int:
        return self._number(_Outside(is_closed=False))

    def _make_row(self, key: _Between | _Within | _Outside) -> dict[int, int]:
        states = self._language.states
        row = super()._make_row(key)
        if isinstance(key, _Outside):
            if not key.is_closed and not states.is_empty:
                row[QUOTE] = self._number(_Between(states.start))
        elif isinstance(key, _Between) and states.is_accepting(key.language_state):
            row[QUOTE] = self._closed
        return row
