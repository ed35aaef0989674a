"""The files in which several API processes count together: named by places, not by processes.

    METRICS/place_0.lock     locked by the process that counts at 0, for as long as it lives
    METRICS/counter_0.db …   prometheus_client's; who takes 0 next counts on from there

So nothing that was counted is lost with a process, and however often processes are started again,
there are no more files than processes at a time. Knows no metric.
"""

from __future__ import annotations

import fcntl
import os
from itertools import count
from pathlib import Path

GAUGES = "gauge_live*_{}.db"


def take_place(directory: Path) -> int:
    """The first that nobody has, for the life of this process; what its gauges held is forgotten.

    Raises OSError where the directory cannot be written to.
    """
    for place in count():
        if _lock(directory, place) is not None:  # and it stays open
            _forget(directory, place)
            return place
    raise AssertionError("there is always a next place")


def forget_dead(directory: Path) -> None:
    """What a process that was killed held at the time is held no more; what it counted stays."""
    for path in directory.glob(GAUGES.format("*")):
        place = int(path.stem.rpartition("_")[2])
        descriptor = _lock(directory, place)
        if descriptor is not None:
            _forget(directory, place)
            os.close(descriptor)


def _lock(directory: Path, place: int) -> int | None:
    """The descriptor that holds the lock; None where a process has it."""
    path = directory / f"place_{place}.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def _forget(directory: Path, place: int) -> None:
    for path in directory.glob(GAUGES.format(place)):
        path.unlink(missing_ok=True)
