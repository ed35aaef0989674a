"""Spans of time as text, both ways: `500ms` on a command line, `12.3 ms` in a table."""

from __future__ import annotations

import re

from forge_common.errors import ConfigError

SPAN = re.compile(r"(?P<number>\d+(?:\.\d+)?|\.\d+)\s*(?P<unit>us|ms|s|m|h)?")
UNIT_S = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def span_s(text: str, name: str) -> float:
    """Seconds; a number without a unit is seconds. Raises ConfigError, which says `name`."""
    found = SPAN.fullmatch(text.strip())
    if found is None or float(found["number"]) == 0:
        raise ConfigError(f"{name} is {text!r}: expected a span of time, as 500ms, 1.5s or 2m")
    return float(found["number"]) * UNIT_S[found["unit"] or "s"]


def span_text(seconds: float) -> str:
    """Three digits that count, in the unit a reader would choose."""
    magnitude = abs(seconds)
    if magnitude >= 1:
        return f"{significant(seconds)} s"
    if magnitude >= 1e-3 or magnitude == 0:
        return f"{significant(seconds * 1e3)} ms"
    return f"{significant(seconds * 1e6)} µs"


def significant(value: float) -> str:
    """Three digits that count, and never fewer than the whole number has."""
    if value == 0:
        return "0"
    magnitude = abs(value)
    decimals = 0 if magnitude >= 99.95 else 1 if magnitude >= 9.995 else 2
    if magnitude < 1:
        return f"{value:.3g}"
    return f"{value:,.{decimals}f}"
