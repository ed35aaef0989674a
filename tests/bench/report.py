"""Figures and the table they are printed in. Knows nothing of how a figure was obtained."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter


@dataclass(frozen=True)
class Figure:
    """One measured number; `target` is what the issue or the design asks of it, in words."""

    name: str
    value: float
    unit: str
    target: str = ""

    def cells(self) -> tuple[str, str, str]:
        return self.name, f"{_significant(self.value)} {self.unit}".strip(), self.target


def _significant(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def markdown_table(figures: Iterable[Figure]) -> str:
    rows = [("measured", "value", "target"), *(figure.cells() for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def machine() -> str:
    """Processor, cores, Python: what a number needs beside it to mean anything."""
    return f"{_processor()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor() or platform.machine()
    fields = {
        key.strip(): value.strip()
        for key, _, value in (line.partition(":") for line in cpuinfo.read_text().splitlines())
    }
    features = fields.get("flags", "").split()
    widest = next((f for f in ("amx_bf16", "avx512_bf16", "avx512f", "avx2") if f in features), "")
    return " ".join(filter(None, (fields.get("model name", platform.machine()), widest)))


def alternate(candidates: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each candidate over `rounds` alternating runs, after one warm-up each.

    Alternating, because a noisy neighbour then falls on all of them alike.
    """
    samples: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(rounds + 1):
        for name, run in candidates.items():
            started = perf_counter()
            run()
            if number:
                samples[name].append(perf_counter() - started)
    return {name: statistics.median(values) for name, values in samples.items()}
