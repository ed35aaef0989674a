"""Left recursion: rules that can call themselves before any byte is read.

No machine could walk them. Knows nothing of where a Program comes from.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import NamedTuple

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.program import AnyRule, Choice, Literals, Program, Repeat, RuleIndex, Text
from forge_common.grammar.program import Sequence as SequenceRule
from forge_common.grammar.rule_graph import callees


class _Visit(Enum):
    BEGUN = "begun"
    DONE = "done"


class _Step(NamedTuple):
    rule: RuleIndex
    is_last: bool  # all rules below it have been visited


def find_left_recursion(program: Program, automata: AutomatonStore) -> frozenset[RuleIndex] | None:
    """The rules of one such circle; None where there is none."""
    empty = _can_be_empty(program.rules, automata)
    visits: dict[RuleIndex, _Visit] = {}
    for root in range(len(program.rules)):
        waiting = [_Step(root, is_last=False)]
        while waiting:
            here, is_last = waiting.pop()
            if is_last:
                visits[here] = _Visit.DONE
            elif here not in visits:
                visits[here] = _Visit.BEGUN
                waiting.append(_Step(here, is_last=True))
                waiting += [
                    _Step(to, is_last=False) for to in _first_callees(program.rules[here], empty)
                ]
            elif visits[here] is _Visit.BEGUN:
                begun = [index for index, visit in visits.items() if visit is _Visit.BEGUN]
                return frozenset(begun[begun.index(here) :])
    return None


def _first_callees(rule: AnyRule, empty: frozenset[RuleIndex]) -> Iterator[RuleIndex]:
    match rule:
        case Choice():
            yield from rule.alternatives
        case Repeat():
            yield rule.part
        case SequenceRule():
            for part in rule.parts:
                yield part
                if part not in empty:
                    return
        case _:
            pass


def _can_be_empty(rules: Sequence[AnyRule], automata: AutomatonStore) -> frozenset[RuleIndex]:
    callers: dict[RuleIndex, list[RuleIndex]] = {index: [] for index in range(len(rules))}
    for index, rule in enumerate(rules):
        for callee in set(callees(rule)):
            callers[callee].append(index)
    found = {index for index, rule in enumerate(rules) if _has_empty_text(rule, automata)}
    waiting = deque(range(len(rules)))
    while waiting:
        index = waiting.popleft()
        if index not in found and _is_empty_given(rules[index], found):
            found.add(index)
            waiting += callers[index]
    return frozenset(found)


def _has_empty_text(rule: AnyRule, automata: AutomatonStore) -> bool:
    match rule:
        case Literals():
            return b"" in rule.texts
        case Text():
            automaton = automata.text(rule)
            return automaton.is_accepting(automaton.start)
        case _:
            return False


def _is_empty_given(rule: AnyRule, empty: set[RuleIndex]) -> bool:
    match rule:
        case Choice():
            return any(index in empty for index in rule.alternatives)
        case SequenceRule():
            return all(index in empty for index in rule.parts)
        case Repeat():
            return rule.min_count == 0 or rule.part in empty
        case _:
            return False
