"""What was hoped for before anything was measured, by the names of the results.

Shares are of the roofline, which is computed from the ceilings of the same run.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tests.bench.gpu.results import Bound, Goal

IDLE = Goal(3.0, 1.0, Bound.AT_MOST)  # percent
PLANNED = Goal(2.0, None, Bound.AT_MOST)  # percent off
COLD_START = Goal(20.0, None, Bound.AT_MOST)  # seconds
WARM_START = Goal(3.0, None, Bound.AT_MOST)  # seconds, but for reading weights
AGAINST_GENERATE = Goal(1.0)
AGAINST_FORWARD = Goal(1.0)
AGAINST_BATCHING = Goal(2.0)

DECODE: Mapping[tuple[str, int], Goal] = MappingProxyType(
    {
        ("8B", 1): Goal(0.80, 0.90),
        ("1B", 1): Goal(0.60, 0.80),
        ("8B", 64): Goal(0.70, 0.80),
        ("1B", 64): Goal(0.55, 0.70),
        ("8B", 256): Goal(0.70, 0.80),
        ("1B", 256): Goal(0.60, 0.72),
    }
)
PREFILL: Mapping[str, Goal] = MappingProxyType({"8B": Goal(0.65, 0.75), "1B": Goal(0.55, 0.70)})
SERVING: Mapping[str, Goal] = MappingProxyType({"8B": Goal(0.60, 0.75), "1B": Goal(0.50, 0.60)})
