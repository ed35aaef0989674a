"""Emptiness: a sure sign that two schemas exclude each other, without working everything out.

What is found to be empty is; what is not may be empty all the same. So it looks only some levels
deep, and takes supersets where exactness costs more than it is worth here. Knows no rules.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import combinations, islice

from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.schema.branch_maker import BranchMaker
from forge_common.grammar.schema.branches import (
    ArrayBranch,
    Branch,
    ConstantsBranch,
    NumberBranch,
    ObjectBranch,
    StringBranch,
)
from forge_common.grammar.schema.documents import Place
from forge_common.grammar.schema.evaluation import Evaluation
from forge_common.grammar.schema.expansion import OuterExpansion
from forge_common.grammar.schema.facts import (
    Alternative,
    Choice,
    Conjunction,
    Term,
    is_nothing,
)
from forge_common.grammar.schema.json_values import identity
from forge_common.grammar.schema.meanings import Meanings
from forge_common.grammar.schema.positives import any_of
from forge_common.grammar.schema.regular import Regular
from forge_common.grammar.schema.steps import Steps

MAX_LEVELS = 3
MAX_OUTCOMES = 64
MAX_ITEMS = 16
MAX_MARKS = 8
NOTHING_MORE = Alternative()
_Marks = Mapping[str, frozenset[Hashable]]  # by key


class Emptiness:
    def __init__(
        self, meanings: Meanings, evaluation: Evaluation, regular: Regular, steps: Steps
    ) -> None:
        self._evaluation = evaluation
        self._regular = regular
        self._steps = steps
        self._outer = OuterExpansion(meanings, evaluation, steps, lambda _, places: any_of(places))
        self._maker = BranchMaker(meanings, evaluation)

    def disjoint_one_of(self, always: Alternative, places: Sequence[Place]) -> Choice:
        """Each alternative, and none of those that it could overlap with."""
        overlapping: dict[Place, list[Term]] = {place: [] for place in places}
        marks = [self._marks(place, always) for place in places]
        for (place, mark), (other, other_mark) in combinations(zip(places, marks, strict=True), 2):
            if _differ(mark, other_mark):
                continue
            if not self.is_empty(frozenset({Term(place), Term(other)}), always):
                overlapping[place].append(Term(other, is_negated=True))
                overlapping[other].append(Term(place, is_negated=True))
        return tuple(Alternative((Term(place), *overlapping[place])) for place in places)

    def _marks(self, place: Place, always: Alternative) -> _Marks:
        """Which constants every value has behind some keys, as discriminators are written."""
        branches = self._branches(frozenset({Term(place)}), always)
        if branches is None or len(branches) != 1:
            return {}
        (branch,) = branches
        if not isinstance(branch, ObjectBranch):
            return {}
        layers = [self._evaluation.by_key(layer) for layer in branch.layers]
        marks = {}
        for key in islice(branch.required, MAX_MARKS):
            values = self._constants(frozenset[Term]().union(*(layer(key) for layer in layers)))
            if values is not None:
                marks[key] = values
        return marks

    def _constants(self, conjunction: Conjunction) -> frozenset[Hashable] | None:
        """None where it may be fulfilled by others than some constants."""
        branches = self._branches(conjunction, NOTHING_MORE) if conjunction else None
        if branches is None or not all(isinstance(found, ConstantsBranch) for found in branches):
            return None
        constants = [found.values for found in branches if isinstance(found, ConstantsBranch)]
        return frozenset(identity(value) for values in constants for value in values)

    def _branches(self, conjunction: Conjunction, also: Alternative) -> list[Branch] | None:
        """None where there are too many, or they are not known."""
        try:
            expanded = self._outer.expand(conjunction, also, MAX_OUTCOMES)
            return self._maker.branches_of(expanded)
        except GrammarTooLarge:
            self._steps.spend(MAX_OUTCOMES)
        except GrammarError:
            pass  # told where it is worked out exactly, if it is still there
        return None

    def is_empty(
        self,
        conjunction: Conjunction,
        also: Alternative = NOTHING_MORE,
        num_levels: int = MAX_LEVELS,
    ) -> bool:
        if is_nothing(conjunction):
            return True
        if num_levels == 0:
            return False
        branches = self._branches(conjunction, also)
        if branches is None:
            return False
        return all(self._is_branch_empty(branch, num_levels - 1) for branch in branches)

    def _is_branch_empty(self, branch: Branch, num_levels: int) -> bool:
        if isinstance(branch, ConstantsBranch):
            return not branch.values
        if isinstance(branch, NumberBranch):
            return self._regular.is_number_empty(branch.rule)
        if isinstance(branch, StringBranch):
            return self._regular.is_string_empty(branch.rule)
        if isinstance(branch, ArrayBranch):
            return self._is_array_empty(branch, num_levels)
        return self._is_object_empty(branch, num_levels)

    def _is_array_empty(self, branch: ArrayBranch, num_levels: int) -> bool:
        num_needed = min(branch.num_items.minimum, branch.num_places + 1, MAX_ITEMS)
        return any(
            self.is_empty(branch.at(index), num_levels=num_levels) for index in range(num_needed)
        )

    def _is_object_empty(self, branch: ObjectBranch, num_levels: int) -> bool:
        most = branch.num_properties.maximum
        if most is not None and len(branch.required) > most:
            return True
        layers = [self._evaluation.by_key(layer) for layer in branch.layers]
        return any(
            self.is_empty(
                frozenset[Term]().union(*(layer(key) for layer in layers)), num_levels=num_levels
            )
            for key in islice(branch.required, MAX_OUTCOMES)
        )


def _differ(first: _Marks, second: _Marks) -> bool:
    """Whether some key always has different values."""
    return any(key in second and values.isdisjoint(second[key]) for key, values in first.items())
