"""What one automaton may cost, and has cost. Knows nothing of what it is spent on."""

from __future__ import annotations

from collections.abc import Callable

from forge_common.grammar.errors import GrammarTooLarge

MAX_NODES = 32_768
MAX_STATES = 50_000
MAX_EDGES = 1_000_000
MAX_STEPS = 1_000_000
# About what each leaves behind in memory; most steps leave an element of a set.
NODE_BYTES = 300
STATE_BYTES = 250
EDGE_BYTES = 32
STEP_BYTES = 32
STEPS_A_READING = 256

Meter = Callable[[int], None]  # told how many steps were spent since it was last told


def unmetered(num_steps: int) -> None:
    """Where nobody waits for a pattern but the one who asked for it."""


class Budget:
    """Positions of patterns, states and the edges between them, and steps to find them.

    Steps, not seconds: the same grammar is refused on every machine, or on none.
    """

    def __init__(
        self,
        max_nodes: int = MAX_NODES,
        max_states: int = MAX_STATES,
        max_steps: int = MAX_STEPS,
        max_edges: int = MAX_EDGES,
        meter: Meter = unmetered,
    ) -> None:
        self.meter = meter
        self._num_unread = 0
        self._max_nodes, self._num_nodes = max_nodes, 0
        self._max_states, self._num_states = max_states, 0
        self._max_edges, self._num_edges = max_edges, 0
        self._max_steps, self._num_steps = max_steps, 0

    @property
    def num_bytes(self) -> int:
        """What was bought takes in memory, about."""
        return (
            self._num_nodes * NODE_BYTES
            + self._num_states * STATE_BYTES
            + self._num_edges * EDGE_BYTES
            + self._num_steps * STEP_BYTES
        )

    def spend_node(self) -> None:
        self._num_nodes += 1
        if self._num_nodes > self._max_nodes:
            raise GrammarTooLarge("patterns with their repetitions written out are too long")

    def spend_state(self) -> None:
        self._num_states += 1
        if self._num_states > self._max_states:
            raise GrammarTooLarge("a pattern or number needs too many states")

    def spend_edges(self, num_edges: int) -> None:
        self._num_edges += num_edges
        if self._num_edges > self._max_edges:
            raise GrammarTooLarge("a pattern or number needs too much memory")

    def spend_steps(self, num_steps: int = 1) -> None:
        self._num_steps += num_steps
        if self._num_steps > self._max_steps:
            raise GrammarTooLarge("a pattern or number takes too long to work out")
        self._num_unread += num_steps
        if self._num_unread >= STEPS_A_READING:
            num_unread, self._num_unread = self._num_unread, 0
            self.meter(num_unread)
