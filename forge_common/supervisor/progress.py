"""What there is to say about weights being loaded: how much, how fast, and how often to say it.

Knows numbers and the times at which they were told; prints nothing.
"""

from __future__ import annotations

from forge_common.readiness import Progress

UNITS = ("B", "KiB", "MiB", "GiB", "TiB")
BYTES_PER_UNIT = 1024
TOO_SHORT_FOR_A_RATE_S = 0.1


def bytes_text(num_bytes: float) -> str:
    """`7.0 MiB`: one decimal, in the largest unit of which there is at least one."""
    for unit in UNITS[:-1]:
        if num_bytes < BYTES_PER_UNIT:
            return f"{num_bytes:.0f} B" if unit == "B" else f"{num_bytes:.1f} {unit}"
        num_bytes /= BYTES_PER_UNIT
    return f"{num_bytes:.1f} {UNITS[-1]}"


class LoadingText:
    """One role's loading. `interval_s` is how long to keep quiet between two lines."""

    def __init__(self, started_at_s: float, interval_s: float) -> None:
        self._started_at_s = started_at_s
        self._interval_s = interval_s
        self._said_at_s = started_at_s

    def update(self, progress: Progress, now_s: float) -> str | None:
        """A line, or None while it is too soon for another; the last is always said."""
        is_done = progress.done_bytes >= progress.total_bytes
        if not is_done and now_s - self._said_at_s < self._interval_s:
            return None
        self._said_at_s = now_s
        total = bytes_text(progress.total_bytes)
        elapsed_s = now_s - self._started_at_s
        if is_done and elapsed_s < TOO_SHORT_FOR_A_RATE_S:
            return f"loaded {total} of weights"
        rate = f"{bytes_text(progress.done_bytes / max(elapsed_s, TOO_SHORT_FOR_A_RATE_S))}/s"
        if is_done:
            return f"loaded {total} of weights in {elapsed_s:.1f} s ({rate})"
        share = 100 * progress.done_bytes // progress.total_bytes
        return f"loading weights: {share} % of {total}, {rate}"
