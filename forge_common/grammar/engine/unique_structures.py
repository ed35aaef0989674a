"""A unique array whose items may be arrays and objects, or differ by place.

Each value is written in one way only but for white space between its parts, which is no part of
what is remembered: so values are equal where these texts are. What follows an item depends on which
one it was, since there may be none left that is not there already. Knows no tokens.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from forge_common.grammar.automata.text_counts import count_texts
from forge_common.grammar.engine.item_states import ItemState, PlainState
from forge_common.grammar.engine.places import Place
from forge_common.grammar.engine.readers import WHITESPACE
from forge_common.grammar.engine.structures import Times
from forge_common.grammar.engine.text_trees import MAX_TEXTS, TextTree
from forge_common.grammar.engine.unique_arrays import COMMA, UniqueArray, UniqueLocal, UniqueShelf
from forge_common.grammar.engine.unique_texts import Heads, Reading, is_text, texts_of
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Array


class UniqueStructures(UniqueArray):
    def __init__(
        self,
        rule: Array,
        children: Sequence[Place | None],
        whitespace: Place | None,
        shelf: UniqueShelf,
    ) -> None:
        """`rule` names its items by their index in `children`, which may be filled in later."""
        most = rule.max_items
        if rule.rest is None:
            most = len(rule.prefix) if most is None else min(most, len(rule.prefix))
        super().__init__(frozenset(), Times(rule.min_items, most), whitespace, shelf)
        self._rule = rule
        self._children = children

    @property
    def has_structures(self) -> bool:
        return True

    def check(self) -> None:
        """GrammarError where a place that has to be filled may have no item left for it."""
        least, num_places = self._times.min_left, len(self._rule.prefix)
        if least > MAX_TEXTS:
            raise GrammarError(f"more than {MAX_TEXTS} different items")
        filled = [*range(min(least, num_places)), *([least - 1] if least > num_places else [])]
        for index in filled:
            heads = _plain(self._heads_at(index))
            num_texts = count_texts(heads, index + 1, self._shelf.texts.steps.spend)
            if num_texts <= index and num_texts <= self._num_rivals(index, texts_of(heads)):
                is_alone = index >= num_places == 0
                reason = "there are not so many different items"
                raise GrammarError(reason if is_alone else f"no item may be left for place {index}")

    def _num_rivals(self, index: int, texts: Sequence[bytes]) -> int:
        """How many of the items before a place may be one of its texts."""
        before = [_plain(self._heads_at(place)) for place in range(len(self._rule.prefix))]
        num_alike = max(index - len(before), 0)
        rivals = [any(self._is_text(heads, text) for text in texts) for heads in before[:index]]
        return num_alike + sum(rivals)

    def _is_text(self, heads: Heads, text: bytes) -> bool:
        self._shelf.texts.steps.spend(len(text))
        return is_text(heads, text)

    def reading(self, local: UniqueLocal) -> Reading:
        texts = local.texts
        return local.reading or Reading(self._heads_at(texts.num_texts), b"", texts)

    def is_layout(self, reading: Reading, byte: int) -> bool:
        return byte in WHITESPACE and all(
            isinstance(head, ItemState) and head.is_layout(byte) for head in reading.heads
        )

    def read_on(self, reading: Reading, byte: int) -> Reading:
        following = reading.read_on(byte)
        is_layout = self.is_layout(reading, byte)
        return reading._replace(heads=following.heads) if is_layout else following

    def read(self, reading: Reading, byte: int) -> Reading | None:
        following = self.read_on(reading, byte)
        is_over = not following.heads or self._is_over(following.heads, following.alike)
        return None if is_over else following

    def bytes_along(self, reading: Reading) -> Iterable[int]:
        along = reading.alike.children
        return {*along, *WHITESPACE} if along and self.whitespace is not None else along

    def edges(self, local: UniqueLocal) -> dict[int, UniqueLocal]:
        found = super().edges(local)
        if COMMA in found and not self._has_next(local.texts):
            del found[COMMA]
        return found

    def may_run_out(self, local: UniqueLocal) -> bool:
        """Whether it may depend on the item that comes whether there is another one."""
        num_texts = local.texts.num_texts + 1
        heads = _plain(self._heads_at(num_texts))
        return not heads or self._shelf.texts.count(heads, num_texts) <= num_texts

    def _has_next(self, texts: TextTree) -> bool:
        heads = self._heads_at(texts.num_texts)
        return bool(heads) and not self._is_over(heads, texts)

    def _is_over(self, heads: Heads, alike: TextTree) -> bool:
        """Whether all that an item may become is there already; not all there need be like that."""
        num_alike = alike.num_texts
        if num_alike == 0:
            return False
        plain = _plain(heads)
        num_left = self._shelf.texts.count(plain, num_alike)
        if num_left > num_alike:
            return False
        return num_left == self._shelf.texts.num_among(plain, alike)

    def _heads_at(self, position: int) -> Heads:
        prefix = self._rule.prefix
        item = prefix[position] if position < len(prefix) else self._rule.rest
        place = None if item is None or item.other is None else self._children[item.other]
        return frozenset() if place is None else frozenset((self._shelf.states.start(place),))


def _plain(heads: Heads) -> Heads:
    return frozenset(PlainState(head) for head in heads if isinstance(head, ItemState))
