"""`make bench`: run the measurements named on the command line, or all, and print one table.

Sets OpenBLAS up as the worker does before anything imports NumPy.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module

from forge_worker.blas_environment import prepare_blas
from tests.bench.report import Figure, machine, markdown_table

# In this order, since the first ones are over in seconds.
MEASUREMENTS = (
    "scheduler_step",
    "sampling",
    "startup",
    "idle",
    "server_cost",
    "speculation",
    "forced_text",
    "model_step",
)


def main(names: list[str]) -> None:
    if unknown := set(names) - set(MEASUREMENTS):
        raise SystemExit(f"unknown: {', '.join(unknown)}; there are {', '.join(MEASUREMENTS)}")
    prepare_blas(os.environ)
    figures: list[Figure] = []
    for name in names or MEASUREMENTS:
        print(f"… {name}", file=sys.stderr, flush=True)
        figures += _measurement(name)()
    print(f"\n{machine()}\n\n{markdown_table(figures)}")


def _measurement(name: str) -> Callable[[], Iterator[Figure]]:
    measure: Callable[[], Iterator[Figure]] = import_module(f"tests.bench.{name}").measure
    return measure


if __name__ == "__main__":
    main(sys.argv[1:])
