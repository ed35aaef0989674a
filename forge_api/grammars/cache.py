"""OutcomeCache: grammars that were compiled of late, and those that were refused, within a budget.

Refusals are kept too, so that a costly one costs once. Knows nothing of how keys are made.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from forge_api.grammars.messages import Compiled, Outcome

MAX_BYTES: Final = 64 * 2**20
ENTRY_BYTES: Final = 512  # of key, links and objects, about


class OutcomeCache:
    """What was not used for the longest time goes first."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._outcomes: OrderedDict[bytes, Outcome] = OrderedDict()
        self.num_bytes = 0

    def get(self, key: bytes) -> Outcome | None:
        outcome = self._outcomes.get(key)
        if outcome is not None:
            self._outcomes.move_to_end(key)
        return outcome

    def put(self, key: bytes, outcome: Outcome) -> None:
        replaced = self._outcomes.pop(key, None)
        self.num_bytes += num_bytes_of(outcome) - (
            0 if replaced is None else num_bytes_of(replaced)
        )
        self._outcomes[key] = outcome
        while self.num_bytes > self._max_bytes:
            _, oldest = self._outcomes.popitem(last=False)
            self.num_bytes -= num_bytes_of(oldest)


def num_bytes_of(outcome: Outcome) -> int:
    if isinstance(outcome, Compiled):
        return ENTRY_BYTES + len(outcome.program)
    return ENTRY_BYTES + 4 * len(outcome.message)
