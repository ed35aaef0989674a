"""Progress: one line on a terminal that says how far a run is; elsewhere nothing is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Protocol, TextIO

from forge_common.bench.records import RequestRecord
from forge_common.bench.spans import span_text

INTERVAL_S = 0.25
WIDTH = 24
ERASE_LINE = "\r\x1b[2K"


class Progress:
    """Counts. `num_expected` is None where time ends the run, after `duration_s`."""

    def __init__(self, num_expected: int | None, duration_s: float | None) -> None:
        self._num_expected = num_expected
        self._duration_s = duration_s
        self._num_sent = 0
        self._num_ended = 0
        self._num_failed = 0
        self._num_output_tokens = 0
        self._longest_lag_s = 0.0

    def sent(self) -> None:
        self._num_sent += 1

    def ended(self, record: RequestRecord) -> None:
        self._num_ended += 1
        self._num_failed += record.failure is not None
        self._num_output_tokens += record.num_output_tokens
        self._longest_lag_s = max(self._longest_lag_s, record.send_lag_s)

    def line(self, elapsed_s: float) -> str:
        of_all = f"/{self._num_expected}" if self._num_expected else ""
        tokens_per_s = self._num_output_tokens / elapsed_s if elapsed_s else 0.0
        return (
            f"{self._bar(elapsed_s)} {self._num_ended}{of_all} ended, "
            f"{self._num_sent - self._num_ended} under way, {self._num_failed} failed, "
            f"{tokens_per_s:,.0f} tokens/s, sent up to {span_text(self._longest_lag_s)} late"
        )

    def _bar(self, elapsed_s: float) -> str:
        if self._num_expected:
            share = self._num_ended / self._num_expected
        else:
            share = elapsed_s / self._duration_s if self._duration_s else 0.0
        num_full = min(WIDTH, int(share * WIDTH))
        return f"[{'#' * num_full}{'.' * (WIDTH - num_full)}]"


class Tally(Protocol):
    def line(self, elapsed_s: float) -> str: ...


@asynccontextmanager
async def shown(
    progress: Tally, stream: TextIO, clock_s: Callable[[], float] = monotonic
) -> AsyncIterator[None]:
    """Keeps the line current while the block runs, and takes it away behind it."""
    if not stream.isatty():
        yield
        return
    task = asyncio.create_task(_keep_current(progress, stream, clock_s))
    try:
        yield
    finally:
        task.cancel()
        stream.write(ERASE_LINE)
        stream.flush()


async def _keep_current(progress: Tally, stream: TextIO, clock_s: Callable[[], float]) -> None:
    began_s = clock_s()
    while True:
        await asyncio.sleep(INTERVAL_S)
        stream.write(ERASE_LINE + progress.line(clock_s() - began_s))
        stream.flush()
