"""Steps: how much work one schema may cause before it is refused.

Steps, not seconds: the same schema is refused on every machine, or on none.
"""

from __future__ import annotations

from forge_common.grammar.errors import GrammarTooLarge

MAX_STEPS = 150_000


class Steps:
    def __init__(self, max_steps: int = MAX_STEPS) -> None:
        self._num_left = max_steps

    def spend(self, num_steps: int = 1) -> None:
        self._num_left -= num_steps
        if self._num_left < 0:
            raise GrammarTooLarge("the schema takes too long to work out")
