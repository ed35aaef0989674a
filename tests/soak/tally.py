"""Tally: what became of the requests of a soak, and of its faults. Knows no sockets.

A gap is the longest time between two events of a stream about the moment in which a process was
killed or stopped: what the reader of that stream saw of it. What was under way arrives still, so
that the pause may begin a little later.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

# A connection ends with its API process; what breaks within this time is laid to its death.
API_LOSS_WINDOW_S = 3.0
FELT_WITHIN_S = 1.0
MAX_NOTES = 40


class Fault(NamedTuple):
    at_s: float
    kind: str  # such as "kill worker"


class StreamWatch:
    """When the events of one stream come, and what faults do to that."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self._faults = faults  # which grow
        self._num_events = 0
        self.began_s = time.monotonic()
        self.last_s = self.began_s
        self.gaps_s: dict[Fault, float] = {}

    def event(self) -> None:
        now_s = time.monotonic()
        if self._num_events:
            self._note_gap(now_s)
        self.last_s = now_s
        self._num_events += 1

    def _note_gap(self, now_s: float) -> None:
        for fault in reversed(self._faults):
            if fault.at_s + FELT_WITHIN_S <= self.last_s:
                return
            if self.began_s < fault.at_s < now_s:
                self.gaps_s[fault] = max(now_s - self.last_s, self.gaps_s.get(fault, 0.0))


class Tally:
    def __init__(self) -> None:
        self.num_ended: Counter[str] = Counter()  # by manner
        self.num_tokens = 0
        self.num_lost = 0
        self.num_wrong = 0
        self.num_lost_with_api = 0
        self.faults: list[Fault] = []
        self.gaps_s: defaultdict[str, list[float]] = defaultdict(list)  # by kind of fault
        self.notes: list[str] = []  # of what went wrong
        self._open: dict[int, StreamWatch] = {}

    @property
    def num_requests(self) -> int:
        return self.num_ended.total()

    def fault(self, kind: str) -> None:
        self.faults.append(Fault(time.monotonic(), kind))

    def ended(self, manner: str, num_tokens: int) -> None:
        self.num_ended[manner] += 1
        self.num_tokens += num_tokens

    def wrong(self, what: str) -> None:
        self.num_wrong += 1
        self._note(f"wrong: {what}")

    def lost(self, what: str) -> None:
        self.num_lost += 1
        self._note(f"lost: {what}")

    def is_by_api_death(self) -> bool:
        """Whether a connection that breaks now may have ended with its API process."""
        now_s = time.monotonic()
        deaths = (f.at_s for f in reversed(self.faults) if f.kind == "kill api")
        return any(now_s - at_s < API_LOSS_WINDOW_S for at_s in deaths)

    @contextmanager
    def watch(self, *, is_timed: bool = True) -> Iterator[StreamWatch]:
        """Of one stream, while it is read; gaps count only where its reader is quick."""
        watch = StreamWatch(self.faults if is_timed else [])
        self._open[id(watch)] = watch
        try:
            yield watch
        finally:
            del self._open[id(watch)]
            for fault, gap_s in watch.gaps_s.items():
                self.gaps_s[fault.kind].append(gap_s)

    def have_all_gained(self, since_s: float) -> bool:
        """Whether every stream that had begun by then has had an event since."""
        return all(
            watch.last_s > since_s or watch.began_s > since_s for watch in self._open.values()
        )

    def _note(self, note: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(f"{time.strftime('%H:%M:%S')} {note}")
