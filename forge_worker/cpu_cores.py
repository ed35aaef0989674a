"""Which cores this process may use, and how many threads that makes.

    affinity    what `--cpu-affinity`, taskset or a cpuset leave of the machine
    quota       what a control group grants of them, in cores: v2 says "max 100000" or
                "150000 100000" (quota and period in µs) in cpu.max, v1 the same in two files

A quota holds for all that lies below its group, so the least one on the way up counts. More threads
than it grants would stand still together for the rest of each period, so a part of a core makes no
thread. Both are read where Linux says them. Knows nothing of what threads do.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from forge_common.config import DeviceSettings
from forge_common.errors import ConfigError

LendCore = Callable[[], AbstractContextManager[None]]
"""Inside, a core is free for what is to be worked out beside a model's step."""

GROUPS_OF_PROCESS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
MAX_CORES = 4096


def available_threads() -> int:
    """As many as there are cores that this process may use."""
    cores = len(allowed_cores()) or os.cpu_count() or 1
    quota = core_quota(GROUPS_OF_PROCESS, GROUPS)
    return cores if quota is None else max(1, min(cores, int(quota)))


def allowed_cores() -> frozenset[int]:
    """By number; none where the system does not say."""
    if sys.platform == "linux":
        return frozenset(os.sched_getaffinity(0))
    else:
        return frozenset()


def restrict(settings: DeviceSettings) -> None:
    """Keep this process, and all threads it starts later, to `--cpu-affinity`.

    ConfigError where that is no list of cores it may use.
    """
    if settings.cpu_affinity is None:
        return
    wanted = parse_cores(settings.cpu_affinity)
    if sys.platform == "linux":
        missing = wanted - allowed_cores()
        if missing:
            raise ConfigError(
                f"--cpu-affinity {settings.cpu_affinity}: this process may not use"
                f" {cores_text(missing)}, only {cores_text(allowed_cores())}"
            )
        os.sched_setaffinity(0, wanted)
    else:
        raise ConfigError("--cpu-affinity: this system lets no process choose its cores")


def parse_cores(text: str) -> frozenset[int]:
    """Of "0-3,8"; ConfigError where it is nothing of that kind."""
    found: set[int] = set()
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        ends = (first, last if dash else first)
        if not all(end.isascii() and end.isdecimal() and int(end) < MAX_CORES for end in ends):
            raise ConfigError(f"--cpu-affinity {text}: `{part}` is no core, nor a span such as 0-3")
        found.update(range(int(ends[0]), int(ends[1]) + 1))
    if not found:
        raise ConfigError(f"--cpu-affinity {text} names no core")
    return frozenset(found)


def cores_text(cores: Iterable[int]) -> str:
    """As `parse_cores` reads it."""
    spans: list[list[int]] = []
    for core in sorted(cores):
        if spans and core == spans[-1][1] + 1:
            spans[-1][1] = core
        else:
            spans.append([core, core])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in spans)


def core_quota(groups_of_process: Path, root: Path) -> float | None:
    """The least quota on the way up, in cores; None where there is none."""
    return min(_quotas(groups_of_process, root), default=None)


def _quotas(groups_of_process: Path, root: Path) -> Iterator[float]:
    try:
        lines = groups_of_process.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        mounts = [root] if not controllers else [root / controllers, root / "cpu"]
        if controllers and "cpu" not in controllers.split(","):
            continue
        for mount in mounts:
            for folder in _way_up(mount, path):
                yield from _quota_of(folder)


def _way_up(mount: Path, path: str) -> Iterator[Path]:
    folder = mount / path.lstrip("/")
    yield folder
    while folder != mount and folder != folder.parent:
        folder = folder.parent
        yield folder


def _quota_of(folder: Path) -> Iterator[float]:
    for names in (("cpu.max",), ("cpu.cfs_quota_us", "cpu.cfs_period_us")):
        try:
            words = " ".join((folder / name).read_text() for name in names).split()
        except OSError:
            continue
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):
            yield int(words[0]) / int(words[1])
