"""How often a process was started again: its launcher says so, through its environment.

Knows no metric and no process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

RESTARTS_VARIABLE: Final = "FORGE_NUM_RESTARTS"


def num_restarts(environment: Mapping[str, str]) -> int:
    """0 also for one that was started by hand."""
    text = environment.get(RESTARTS_VARIABLE, "")
    return int(text) if text.isascii() and text.isdecimal() else 0
