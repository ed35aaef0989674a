"""Arrays as rules: what may stand at each place, how many there are, which of them are counted.

Knows nothing of other kinds of values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Array, Choice, Contains, Item, Literals, RuleIndex
from forge_common.grammar.rule_table import RuleTable
from forge_common.grammar.schema.branches import (
    ArrayBranch,
    Branch,
    ConstantsBranch,
    NumberBranch,
    ObjectBranch,
    StringBranch,
)
from forge_common.grammar.schema.facts import Conjunction, is_nothing
from forge_common.grammar.schema.json_values import Kind, is_writable, kind_of, value_text
from forge_common.grammar.schema.objects import Callees
from forge_common.grammar.schema.regular import Leaf, Regular

MAX_UNIQUE = 4096  # texts that are counted


class ArrayRules:
    def __init__(
        self, rules: RuleTable, callees: Callees, regular: Regular, unfinished: list[RuleIndex]
    ) -> None:
        """To `unfinished` go unique arrays whose items are not written in one way yet."""
        self._regular = regular
        self._rules = rules
        self._callees = callees
        self._unfinished = unfinished

    def make(self, branch: ArrayBranch) -> RuleIndex:
        least, most = branch.num_items.minimum, branch.num_items.maximum
        if branch.is_unique and (most is None or most > 1):
            return self._unique(branch)
        num_places = branch.num_places if most is None else min(branch.num_places, most)
        contains = branch.contains
        return self._rules.add(
            Array(
                prefix=tuple(self._item(branch, index) for index in range(num_places)),
                rest=self._item(branch, branch.num_places) if most != num_places else None,
                min_items=least,
                max_items=most,
                contains=None if contains is None else Contains(contains.minimum, contains.maximum),
            )
        )

    def _item(self, branch: ArrayBranch, index: int) -> Item:
        conjunction = branch.at(index)
        if branch.contains is None:
            return Item(other=self._rule_of(conjunction))
        term = branch.contains.term
        # Without a maximum nobody minds what is not counted although it could be.
        is_exact = branch.contains.maximum is not None
        other = conjunction | {term.opposite} if is_exact else conjunction
        return Item(other=self._rule_of(other), matching=self._rule_of(conjunction | {term}))

    def _rule_of(self, conjunction: Conjunction) -> RuleIndex | None:
        return None if is_nothing(conjunction) else self._callees.rule_of(conjunction)

    def _unique(self, branch: ArrayBranch) -> RuleIndex:
        """Items whose values are equal just where their texts are."""
        if branch.contains is not None:
            raise GrammarError("not together with contains", keyword="uniqueItems")
        leaves = self._leaves(branch.at(0)) if branch.num_places == 0 else None
        return self._unique_structures(branch) if leaves is None else self._scalars(branch, leaves)

    def _unique_structures(self, branch: ArrayBranch) -> RuleIndex:
        least, most = branch.num_items.minimum, branch.num_items.maximum
        num_places = branch.num_places if most is None else min(branch.num_places, most)
        rest = None if most == num_places else self._rule_of(branch.at(branch.num_places))
        index = self._rules.reserve()
        self._rules.set(
            index,
            Array(
                prefix=tuple(self._item(branch, place) for place in range(num_places)),
                rest=None if rest is None else Item(other=rest),
                min_items=least,
                max_items=most,
                is_unique=True,
            ),
        )
        self._unfinished.append(index)
        return index

    def _scalars(self, branch: ArrayBranch, leaves: Sequence[Leaf]) -> RuleIndex:
        least, most = branch.num_items.minimum, branch.num_items.maximum
        limit = MAX_UNIQUE + 1 if most is None else min(most, MAX_UNIQUE + 1)
        num_texts = self._regular.count_texts(leaves, limit)
        indices = tuple(self._rules.add(leaf) for leaf in leaves)
        return self._rules.add(
            Array(
                rest=Item(other=self._rules.add(Choice(indices))) if indices else None,
                min_items=least,
                max_items=num_texts if num_texts < limit else most,
                is_unique=True,
            )
        )

    def _leaves(self, conjunction: Conjunction) -> list[Leaf] | None:
        """Rules without any texts are left out. None where there are others than leaves."""
        branches = [] if is_nothing(conjunction) else self._callees.branches_of(conjunction)
        if any(map(_has_structures, branches)):
            return None
        leaves = [leaf for branch in branches for leaf in _canonical(branch, self._regular)]
        return [leaf for leaf in leaves if not self._regular.is_empty(leaf)]


def _canonical(branch: Branch, regular: Regular) -> Iterator[Leaf]:
    match branch:
        case StringBranch(rule):
            yield replace(regular.with_counts_as_lengths(rule), is_canonical=True)
        case NumberBranch(rule):
            yield replace(rule, is_canonical=True)
        case ConstantsBranch(values):
            texts = dict.fromkeys(map(value_text, filter(is_writable, values)))
            if texts:
                yield Literals(tuple(text.encode() for text in texts))


def _has_structures(branch: Branch) -> bool:
    if isinstance(branch, ConstantsBranch):
        return any(map(_is_structure, branch.values))
    return isinstance(branch, ArrayBranch | ObjectBranch)


def _is_structure(value: object) -> bool:
    return kind_of(value) in (Kind.ARRAY, Kind.OBJECT)
