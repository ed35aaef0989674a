"""`make bench-grammar`: Forge's grammars beside other engines, on two vocabularies, and in a step.

    python -m tests.bench.grammar [forge llguidance xgrammar outlines-core] [--sizes 32000 128000]

Engines that are not installed are left out, and the table says so.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

import msgspec

from tests.bench.grammar import bpe
from tests.bench.grammar.peers import CONTENDERS
from tests.bench.grammar.runs import Run, run_in_turns
from tests.bench.grammar.schemas import ten_cases
from tests.bench.grammar.steps import GOAL, NUM_SEQUENCES, StepTimes
from tests.bench.grammar.table import by_shape, comparison, duration, markdown
from tests.bench.report import machine

SIZES = (32_000, bpe.LARGEST)


def main(arguments: Sequence[str]) -> None:
    options = _parser().parse_args(arguments)
    names = [name for name in CONTENDERS if name in (options.engines or CONTENDERS)]
    missing = {name: why for name in names if (why := CONTENDERS[name].missing())}
    present = [name for name in names if name not in missing]
    print(f"{machine()}; load before: {_load()}")
    for name, why in missing.items():
        print(f"{name} is not here: {why}")
    for size in options.sizes:
        bpe.file_of_size(size)  # no run has to train it in its time
        _print_runs(run_in_turns(present, size), missing)
    if not options.no_steps:
        print(f"\n{_steps_table(_measured_steps())}")
    print(f"\nload behind: {_load()}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.grammar", description=__doc__)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help="all, where none is named")
    parser.add_argument("--sizes", nargs="+", type=int, default=SIZES, help="of vocabularies")
    parser.add_argument("--no-steps", action="store_true", help="leave the steps of a model out")
    return parser


def _print_runs(runs: Mapping[str, Run], missing: Mapping[str, str]) -> None:
    begun = next((run.begun for run in runs.values() if run.begun), None)
    print(f"\n{begun.num_tokens if begun else 0:,} tokens\n")
    print(comparison(runs, missing))
    print(f"\n{by_shape(runs, len(ten_cases()))}", flush=True)


def _measured_steps() -> StepTimes:
    print("… steps of the 110M model", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "tests.bench.grammar.steps"]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    return msgspec.json.decode(done.stdout, type=StepTimes)


def _steps_table(times: StepTimes) -> str:
    verdict = "" if times.ratio <= GOAL else " (missed)"
    name = f"110M, {NUM_SEQUENCES} sequences, each with its own schema"
    return markdown(
        [
            ["measured", "goal", "forge"],
            [f"{name}: step without grammars", "", duration(times.plain_s)],
            ["… with grammars", "", duration(times.constrained_s)],
            ["… ratio", f"≤ {GOAL:.2f}×", f"{times.ratio:.3f}×{verdict}"],
            ["… ratio of CPU time", "", f"{times.cpu_ratio:.3f}×"],
        ]
    )


def _load() -> str:
    return " ".join(f"{load:.1f}" for load in os.getloadavg())


if __name__ == "__main__":
    main(sys.argv[1:])
