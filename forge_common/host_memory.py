"""How much memory this process may still take: what is free, and within the limit of its cgroup.

Reads Linux's /proc and both generations of cgroups; elsewhere all physical memory counts as free.
Knows nothing of what the memory is for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")


class CgroupFiles(NamedTuple):
    """Where one generation of cgroups states a limit, the use, and the use that can be dropped."""

    folder: str
    limit: str
    usage: str
    droppable: str


UNIFIED = CgroupFiles("sys/fs/cgroup", "memory.max", "memory.current", "inactive_file")
LEGACY = CgroupFiles(
    "sys/fs/cgroup/memory",
    "memory.limit_in_bytes",
    "memory.usage_in_bytes",
    "total_inactive_file",
)


def available_memory_bytes(root: Path = ROOT) -> int:
    """Bytes that can be taken without swapping or being killed for it."""
    return max(0, min([_free_on_host(root), *_free_in_cgroups(root)]))


def _free_on_host(root: Path) -> int:
    free_kib = _entry(root / "proc/meminfo", "MemAvailable:")
    if free_kib is not None:
        return free_kib * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _free_in_cgroups(root: Path) -> Iterator[int]:
    """Of this process's cgroup and every one above it, since each may set a limit."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            files = LEGACY if controllers else UNIFIED
            base = root / files.folder
            inner = base / path.lstrip("/")
            for folder in (inner, *inner.parents):
                if folder.is_relative_to(base):
                    yield from _free_in(folder, files)


def _free_in(folder: Path, files: CgroupFiles) -> Iterator[int]:
    limit, usage = _number(folder / files.limit), _number(folder / files.usage)
    if limit is not None and usage is not None:
        yield limit - usage + (_entry(folder / "memory.stat", files.droppable) or 0)


def _number(path: Path) -> int | None:
    """None where the file is absent or says `max`."""
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _entry(path: Path, key: str) -> int | None:
    """The number behind `key` in a file of `key number` lines."""
    try:
        rows = (line.split() for line in path.read_text().splitlines())
        return next((int(row[1]) for row in rows if row[:1] == [key]), None)
    except OSError:
        return None
