"""Steps: how much work one schema may cause before it is refused.

Steps come first: the same schema is refused on every machine, or on none. They do not see into
automata, each of which has a budget of its own; so that there cannot be a thousand costly ones,
time is looked at as well. Knows no schema.
"""

from __future__ import annotations

from time import thread_time

from forge_common.grammar.errors import GrammarTooLarge

MAX_STEPS = 150_000
MAX_CPU_S = 1.0  # of this thread: a busy machine refuses nothing


class Steps:
    def __init__(self, max_steps: int = MAX_STEPS, max_cpu_s: float = MAX_CPU_S) -> None:
        self._num_left = max_steps
        self._end_cpu_s = thread_time() + max_cpu_s

    def spend(self, num_steps: int = 1) -> None:
        self._num_left -= num_steps
        if self._num_left < 0:
            raise GrammarTooLarge("the schema takes too long to work out")

    def check_time(self) -> None:
        """Before each automaton, and before each part of a schema that is worked out."""
        if thread_time() > self._end_cpu_s:
            raise GrammarTooLarge("the schema takes too long to work out")
