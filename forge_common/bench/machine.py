"""Machine: where the load came from; a number needs it beside it to mean anything."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import aiohttp
from msgspec import Struct

CPUINFO = Path("/proc/cpuinfo")


class Machine(Struct, frozen=True, forbid_unknown_fields=True):
    system: str
    processor: str
    num_cores: int
    python: str
    aiohttp: str

    @property
    def text(self) -> str:
        return (
            f"{self.processor}, {self.num_cores} cores, {self.system}, "
            f"Python {self.python}, aiohttp {self.aiohttp}"
        )


def this_machine() -> Machine:
    return Machine(
        system=f"{platform.system()} {platform.release()}",
        processor=processor_name(CPUINFO.read_text() if CPUINFO.exists() else ""),
        num_cores=os.cpu_count() or 1,
        python=platform.python_version(),
        aiohttp=aiohttp.__version__,
    )


def processor_name(cpuinfo: str) -> str:
    """From the text of Linux's /proc/cpuinfo, where it says so."""
    for line in cpuinfo.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.processor() or platform.machine()
