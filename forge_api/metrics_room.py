"""Takes room on the disk for what a process shares of its metrics, before it counts anything.

`prometheus_client` maps its files into memory, full of holes: where the disk is full, the first
write into a hole ends the process by SIGBUS. Knows how the library names its files, no metric.
"""

from __future__ import annotations

import os
from pathlib import Path

KINDS = ("counter", "histogram", "gauge_livesum")
FILE_BYTES = 2**16  # as the library makes them; labels being from closed sets, they hardly grow


def reserve(directory: Path, place: int) -> None:
    """OSError where there is no room; then no file is left there that was not there before.

    One may be, of a process that had the place before: what that counted stays.
    """
    paths = [directory / f"{kind}_{place}.db" for kind in KINDS]
    new = [path for path in paths if not path.exists()]
    try:
        for path in paths:
            _allocate(path)
    except OSError:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def _allocate(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(descriptor, 0, FILE_BYTES)
    finally:
        os.close(descriptor)
