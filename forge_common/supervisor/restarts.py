"""Restarts: which child that ended is started again, how soon, and how often.

One is, if its role allows it, it had been ready, and nobody told it to stop. One that ended before
it was ready would only do so again, unless somebody killed it. The wait doubles with each restart
that follows soon upon the last one, and is never the same twice, so that those who lost the same
thing do not all come back at once. Each role has a budget of its own. Starts nothing itself.
"""

from __future__ import annotations

import random
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable

from forge_common.supervisor.child import Child
from forge_common.supervisor.roles import Role

FIRST_DELAY_S = 0.1
SOON_S = 5.0
MAX_DELAY_S = 30.0
JITTER = 0.5  # share of a delay that chance may add to it


class RestartBudget:
    """How often one role may start again: `max_restarts` within `window_s`."""

    def __init__(
        self,
        max_restarts: int,
        window_s: float,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._max_restarts = max_restarts
        self._window_s = window_s
        self._clock = clock
        self._chance = chance
        self._taken_at_s: deque[float] = deque()
        self._delay_s = 0.0  # of the last restart, less what chance added

    @property
    def is_used_up(self) -> bool:
        while self._taken_at_s and self._clock() - self._taken_at_s[0] >= self._window_s:
            self._taken_at_s.popleft()
        return len(self._taken_at_s) >= self._max_restarts

    def take_delay_s(self) -> float:
        """Count a restart, and say how long to wait for it. Needs a budget that is not used up."""
        now_s, taken = self._clock(), self._taken_at_s
        is_soon = bool(taken) and now_s - taken[-1] < SOON_S + self._delay_s
        self._delay_s = min(2 * self._delay_s, MAX_DELAY_S) if is_soon else FIRST_DELAY_S
        taken.append(now_s)
        return self._delay_s * (1 + JITTER * self._chance())

    def __str__(self) -> str:
        return f"{self._max_restarts} times within {self._window_s / 60:g} minutes"


class Restarts:
    """Remembers who was ever ready, and who was told to stop."""

    def __init__(self, make_budget: Callable[[], RestartBudget]) -> None:
        self._budgets: defaultdict[str, RestartBudget] = defaultdict(make_budget)
        self._were_ready: set[str] = set()  # names of roles, as is the other one
        self._were_told_to_stop: set[str] = set()

    @property
    def num_ready_roles(self) -> int:
        return len(self._were_ready)

    def budget_of(self, role: Role) -> RestartBudget:
        return self._budgets[role.name]

    def note_ready(self, role: Role) -> None:
        self._were_ready.add(role.name)

    def note_stop(self, roles: Iterable[Role]) -> None:
        self._were_told_to_stop.update(role.name for role in roles)

    def keeps(self, role: Role) -> bool:
        return role.is_restarted and role.name not in self._were_told_to_stop

    def is_due(self, child: Child, *, is_draining: bool) -> bool:
        """What leaves in peace while all others finish their work was dismissed by them."""
        has_left = is_draining and child.exit_code.result() == 0
        was_ready = child.is_ready or (child.was_killed and child.role.name in self._were_ready)
        return was_ready and not has_left and self.keeps(child.role)
