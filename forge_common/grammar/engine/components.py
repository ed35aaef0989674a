"""Components: rules that name each other in a circle.

Children come before those that name them, so everything a component names outside of itself is
there already, as a place, or None where nothing matches it. Knows nothing of what rules mean.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from forge_common.grammar.engine.places import Place
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import AnyRule, RuleIndex

Reference = Place | int | None  # an int: the component's member of that rank


class Member(NamedTuple):
    rule: AnyRule  # naming others by their place in `references`
    references: tuple[Reference, ...]


Component = tuple[Member, ...]


def components(
    root: RuleIndex, children: Sequence[Sequence[RuleIndex]]
) -> Iterator[list[RuleIndex]]:
    """Those that the root reaches (Tarjan 1972), without recursion. `children` are by rule."""
    if max(root, *map(max, filter(None, children)), 0) >= len(children):
        raise GrammarError("a rule is named that is not there")
    order: dict[RuleIndex, int] = {}
    lowest: dict[RuleIndex, int] = {}
    in_progress: list[RuleIndex] = []
    is_done: set[RuleIndex] = set()
    path = [(root, iter(children[root]))]
    while path:
        rule, ahead = path[-1]
        if rule not in order:
            order[rule] = lowest[rule] = len(order)
            in_progress.append(rule)
        for child in ahead:
            if child in is_done:
                continue
            if not children[child]:
                is_done.add(child)
                yield [child]
            elif child not in order:
                path.append((child, iter(children[child])))
                break
            else:
                lowest[rule] = min(lowest[rule], order[child])
        else:
            path.pop()
            if path:
                above = path[-1][0]
                lowest[above] = min(lowest[above], lowest[rule])
            if lowest[rule] == order[rule]:
                found = _take_from(in_progress, rule)
                is_done.update(found)
                yield found


def _take_from(rules: list[RuleIndex], first: RuleIndex) -> list[RuleIndex]:
    taken = [rules.pop()]
    while taken[-1] != first:
        taken.append(rules.pop())
    taken.reverse()
    return taken
