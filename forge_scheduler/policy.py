"""Policy: in which order sequences are served, and who may take another one's place.

Knows nothing of blocks, budgets or queues.
"""

from __future__ import annotations

from typing import Literal, Protocol

from forge_scheduler.sequence import Rank, Sequence

PolicyName = Literal["fcfs", "priority"]


class Policy(Protocol):
    """The scheduler serves the least rank first and preempts the greatest."""

    def rank(self, priority: int, turn: float, arrival: int, choice_index: int) -> Rank: ...

    def may_displace(self, waiting: Sequence, running: Sequence) -> bool:
        """Whether `running` is preempted when `waiting` finds no room beside it."""
        ...


class FirstComeFirstServed:
    """Tenants in turn, of each the oldest request first, whatever priority it asks for."""

    def rank(self, priority: int, turn: float, arrival: int, choice_index: int) -> Rank:
        return Rank(0, turn, arrival, choice_index)

    def may_displace(self, waiting: Sequence, running: Sequence) -> bool:
        return False


class LowestPriorityNumberFirst:
    """The lowest priority number first, among equals tenants in turn, of each the oldest."""

    def rank(self, priority: int, turn: float, arrival: int, choice_index: int) -> Rank:
        return Rank(priority, turn, arrival, choice_index)

    def may_displace(self, waiting: Sequence, running: Sequence) -> bool:
        return waiting.rank.priority < running.rank.priority


def make_policy(name: PolicyName) -> Policy:
    return LowestPriorityNumberFirst() if name == "priority" else FirstComeFirstServed()
