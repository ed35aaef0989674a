"""LazyStates: numbers for states that are worked out one by one, without those that lead nowhere.

Give it a space: where to start, what follows a state on each symbol, which states accept. States
are hashable values of any shape; equal ones are one. Dead ends are found by searching ahead for an
accepting state, unless the space promises to have none. Knows nothing of what a state means.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from enum import Enum
from typing import Generic, Protocol, TypeVar

from forge_common.grammar.automata.budget import Budget

Key = TypeVar("Key", bound=Hashable)
FIRST_STATE = 0  # where all begin


class StateSpace(Protocol[Key]):
    @property
    def start(self) -> Key: ...

    @property
    def has_dead_ends(self) -> bool:
        """Whether `follow` may lead to states from which nothing is ever accepted."""

    def follow(self, key: Key) -> Mapping[int, Key]: ...

    def is_accepting(self, key: Key) -> bool: ...


class Fate(Enum):
    LIVE = "live"
    DEAD = "dead"


class LazyStates(Generic[Key]):
    def __init__(self, space: StateSpace[Key], budget: Budget) -> None:
        self._space = space
        self._budget = budget
        self._numbers: dict[Key, int] = {}
        self._keys: list[Key] = []
        self._edges: dict[int, dict[int, int]] = {}
        self._live_edges: dict[int, dict[int, int]] = {}
        self._fates: dict[int, Fate] = {}
        self.start = self.number(space.start)

    @property
    def num_states(self) -> int:
        return len(self._keys)

    @property
    def is_empty(self) -> bool:
        return not self.is_accepting(self.start) and not self.edges(self.start)

    def key(self, state: int) -> Key:
        return self._keys[state]

    def is_accepting(self, state: int) -> bool:
        return self._space.is_accepting(self._keys[state])

    def edges(self, state: int) -> Mapping[int, int]:
        """What follows on each symbol, where something accepted can still be reached."""
        found = self._live_edges.get(state)
        if found is None:
            edges = self._all_edges(state)
            if self._space.has_dead_ends:
                edges = {symbol: to for symbol, to in edges.items() if self._is_live(to)}
            found = self._live_edges[state] = edges
        return found

    def number(self, key: Key) -> int:
        number = self._numbers.get(key)
        if number is None:
            self._budget.spend_state()
            number = self._numbers[key] = len(self._keys)
            self._keys.append(key)
        return number

    def _all_edges(self, state: int) -> dict[int, int]:
        found = self._edges.get(state)
        if found is None:
            following = self._space.follow(self._keys[state])
            self._budget.spend_edges(len(following))
            found = {symbol: self.number(key) for symbol, key in following.items()}
            self._edges[state] = found
        return found

    def _is_live(self, state: int) -> bool:
        if state not in self._fates:
            self._decide(state)
        return self._fates[state] is Fate.LIVE

    def _decide(self, state: int) -> None:
        """Search ahead, nearest first. A hit makes the way to it live; a miss kills all it saw."""
        came_from: dict[int, int | None] = {state: None}
        if self._is_hit(state):
            self._mark_way(state, came_from)
            return
        waiting = deque([state])
        while waiting:
            here = waiting.popleft()
            self._budget.spend_steps()
            for following in self._all_edges(here).values():
                if following not in came_from and self._fates.get(following) is not Fate.DEAD:
                    came_from[following] = here
                    if self._is_hit(following):
                        self._mark_way(following, came_from)
                        return
                    waiting.append(following)
        self._fates.update(dict.fromkeys(came_from, Fate.DEAD))

    def _is_hit(self, state: int) -> bool:
        return self._fates.get(state) is Fate.LIVE or self.is_accepting(state)

    def _mark_way(self, last: int, came_from: Mapping[int, int | None]) -> None:
        here: int | None = last
        while here is not None:
            self._fates[here] = Fate.LIVE
            here = came_from[here]
