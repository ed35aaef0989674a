"""Footprint: what the processes of a deployment hold, while it runs, in rest, and behind it.

Reads /proc. Processes that are replaced are compared by role: what one of the last generations
holds against one of the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only looked at
PAGE_BYTES = 4096
MIB = 2**20


class Held(NamedTuple):
    """By one process."""

    rss_bytes: int
    num_fds: int


class Rest(NamedTuple):
    """What a deployment holds while nobody asks."""

    by_role: dict[str, list[Held]]
    run_files: frozenset[str]


class Growth(NamedTuple):
    """Medians of the samples in the first and in the last third of a soak."""

    role: str
    first: Held
    last: Held
    max_rss_bytes: int


class Footprint:
    """Samples of a soak."""

    def __init__(self) -> None:
        self._samples: defaultdict[str, list[Held]] = defaultdict(list)

    def sample(self, roles: dict[int, str]) -> None:
        for pid, role in roles.items():
            held = held_by(pid)
            if held is not None:
                self._samples[role].append(held)

    def growth(self) -> list[Growth]:
        return [_growth(role, samples) for role, samples in sorted(self._samples.items())]


def rest_of(roles: dict[int, str], run_dir: Path) -> Rest:
    by_role: defaultdict[str, list[Held]] = defaultdict(list)
    for pid, role in roles.items():
        held = held_by(pid)
        if held is not None:
            by_role[role].append(held)
    files = (str(path.relative_to(run_dir)) for path in run_dir.rglob("*"))
    return Rest(dict(by_role), frozenset(files))


def held_by(pid: int) -> Held | None:
    """None where it is gone."""
    try:
        num_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        num_fds = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return None
    return Held(num_pages * PAGE_BYTES, num_fds)


def shared_memory() -> frozenset[str]:
    return frozenset(path.name for path in SHARED_MEMORY.iterdir())


def descendants(pids: Iterable[int]) -> dict[int, str]:
    """Of all of these, themselves included: pid → state, such as "Z"."""
    states, children = _process_table()
    found: dict[int, str] = {}
    todo = list(pids)
    while todo:
        pid = todo.pop()
        if pid in states and pid not in found:
            found[pid] = states[pid]
            todo += children[pid]
    return found


def _process_table() -> tuple[dict[int, str], dict[int, list[int]]]:
    states: dict[int, str] = {}
    children: defaultdict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            state, parent = (path / "stat").read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        states[int(path.name)] = state
        children[int(parent)].append(int(path.name))
    return states, children


def _growth(role: str, samples: list[Held]) -> Growth:
    third = max(1, len(samples) // 3)
    first, last = _median(samples[:third]), _median(samples[-third:])
    return Growth(role, first, last, max(held.rss_bytes for held in samples))


def _median(samples: list[Held]) -> Held:
    rss_bytes = median(held.rss_bytes for held in samples)
    return Held(int(rss_bytes), int(median(held.num_fds for held in samples)))
