"""Emptiness: a sure sign that two schemas exclude each other, without working everything out.

What is found to be empty is; what is not may be empty all the same. So it looks only some levels
deep, and takes supersets where exactness costs more than it is worth here. Knows no rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, islice

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.errors import GrammarError, GrammarTooLarge
from forge_common.grammar.schema.assertions import any_of
from forge_common.grammar.schema.branches import (
    ArrayBranch,
    Branch,
    BranchMaker,
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
from forge_common.grammar.schema.meanings import Meanings
from forge_common.grammar.schema.steps import Steps

MAX_LEVELS = 3
MAX_OUTCOMES = 64
MAX_ITEMS = 16
NOTHING_MORE = Alternative()


class Emptiness:
    def __init__(
        self, meanings: Meanings, evaluation: Evaluation, automata: AutomatonStore, steps: Steps
    ) -> None:
        self._evaluation = evaluation
        self._automata = automata
        self._steps = steps
        self._outer = OuterExpansion(meanings, evaluation, steps, lambda _, places: any_of(places))
        self._maker = BranchMaker(meanings, evaluation)

    def disjoint_one_of(self, always: Alternative, places: Sequence[Place]) -> Choice:
        """Each alternative, and none of those that it could overlap with."""
        overlapping: dict[Place, list[Term]] = {place: [] for place in places}
        for place, other in combinations(places, 2):
            if not self.is_empty(frozenset({Term(place), Term(other)}), always):
                overlapping[place].append(Term(other, is_negated=True))
                overlapping[other].append(Term(place, is_negated=True))
        return tuple(Alternative((Term(place), *overlapping[place])) for place in places)

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
        try:
            expanded = self._outer.expand(conjunction, also, MAX_OUTCOMES)
            branches = self._maker.branches_of(expanded)
        except GrammarTooLarge:
            self._steps.spend(MAX_OUTCOMES)
            return False
        except GrammarError:
            return False
        return all(self._is_branch_empty(branch, num_levels - 1) for branch in branches)

    def _is_branch_empty(self, branch: Branch, num_levels: int) -> bool:
        if isinstance(branch, ConstantsBranch):
            return not branch.values
        if isinstance(branch, NumberBranch):
            return self._automata.number(branch.rule).is_empty
        if isinstance(branch, StringBranch):
            return self._automata.is_string_empty(branch.rule)
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
        return any(
            self.is_empty(self._property(branch, key), num_levels=num_levels)
            for key in islice(branch.required, MAX_OUTCOMES)
        )

    def _property(self, branch: ObjectBranch, key: str) -> Conjunction:
        found = (self._evaluation.conjunction_at(layer, key) for layer in branch.layers)
        return frozenset[Term]().union(*found)
