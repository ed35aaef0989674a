"""`make bench-gpu`: run the parts named on the command line, or all; one table, one JSON file.

The card's ceilings are measured first, in every run, since all shares are of them.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import msgspec

from tests.bench.gpu.machine import clocks
from tests.bench.gpu.parts import CEILINGS, PARTS
from tests.bench.gpu.results import Ended, PartReport, report_of, text_of
from tests.bench.gpu.runs import Run
from tests.bench.report import machine

TIME_LIMIT_S = 580.0  # of all parts together


def main(arguments: list[str]) -> None:
    options = _parser().parse_args(arguments)
    if unknown := set(options.parts) - set(PARTS):
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    wanted = {CEILINGS, *(options.parts or PARTS)}
    budgets = {name: part.budget_s for name, part in PARTS.items() if name in wanted}
    before = clocks()
    parts = _run(budgets, options.time_limit_s)
    described = {"GPU before": before, "GPU after": clocks(), "host": machine(), "OS": _system()}
    report = report_of(described, parts)
    print(text_of(report))
    Path(options.json).write_bytes(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    print(f"all of it is in {options.json}", file=sys.stderr)
    sys.exit(any(part.ended in (Ended.FAILED, Ended.OUT_OF_TIME) for part in parts))


def _parser() -> argparse.ArgumentParser:
    known = ", ".join(f"{name} ({part.budget_s:.0f} s)" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gpu", description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"all, or some of: {known}")
    parser.add_argument("--json", default="bench-gpu.json", help="the file for the log")
    parser.add_argument("--time-limit-s", type=float, default=TIME_LIMIT_S)
    return parser


def _run(budgets: dict[str, float], time_limit_s: float) -> list[PartReport]:
    until_s = perf_counter() + time_limit_s
    with tempfile.TemporaryDirectory() as folder:
        return Run(Path(folder), os.environ, until_s).parts(budgets)


def _system() -> str:
    return f"{platform.system()} {platform.release()}"


if __name__ == "__main__":
    main(sys.argv[1:])
