"""The bare matrix products of a step, timed in a process of its own: the floor of `model_step`.

NumPy here has its OpenBLAS use every core, as it does for anybody who just multiplies. The linear
layers and the head run in the faster of their two orders; attention's two products run on
contiguous keys and values, of which every layer has its own, as in a step. Nothing else runs: no
norm, no softmax, no rotation, no paging.

Reads the name of a case a line from its input, runs it once, and prints the seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import NamedTuple

import numpy as np

from tests.bench.random_model import SHAPE_110M, Shape
from tests.bench.report import alternate

Product = Callable[[], object]


class Case(NamedTuple):
    """`num_rows` tokens in `num_sequences` sequences, each of which sees `context` tokens."""

    num_rows: int
    num_sequences: int
    context: int


def products_of(shape: Shape, case: Case) -> list[Product]:
    layers = [product for _ in range(shape.num_layers) for product in _layer(shape, case)]
    head = _faster_order(_random(shape.vocab_size, shape.hidden_size), case.num_sequences)
    return [*layers, head]


def _layer(shape: Shape, case: Case) -> list[Product]:
    hidden, inner = shape.hidden_size, shape.intermediate_size
    sizes = [(3 * hidden, hidden), (hidden, hidden), (2 * inner, hidden), (hidden, inner)]
    return [
        *(_faster_order(_random(*size), case.num_rows) for size in sizes),
        _attention(shape, case),
    ]


def _attention(shape: Shape, case: Case) -> Product:
    head_dim = shape.hidden_size // shape.num_heads
    sequences_and_heads = (case.num_sequences, shape.num_heads)
    query = _random(*sequences_and_heads, case.num_rows // case.num_sequences, head_dim)
    keys = _random(*sequences_and_heads, head_dim, case.context)
    values = _random(*sequences_and_heads, case.context, head_dim)
    return lambda: np.matmul(np.matmul(query, keys), values)


def _faster_order(weight: np.ndarray, num_rows: int) -> Product:
    x = _random(num_rows, weight.shape[1])
    orders: dict[str, Product] = {"rows": lambda: x @ weight.T, "columns": lambda: weight @ x.T}
    seconds = alternate(orders, 3)
    return orders[min(seconds, key=lambda name: seconds[name])]


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape, np.float32)


@contextmanager
def floor_process(case: Case) -> Iterator[Callable[[], float]]:
    """A function that runs the case once, elsewhere, and returns its seconds."""
    environment = {name: value for name, value in os.environ.items() if name[:8] != "OPENBLAS"}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.bare_products", json.dumps(case)],
        env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1,
    )  # fmt: skip
    if process.stdin is None or process.stdout is None:
        raise RuntimeError("the process has no pipes")
    ask, answers = process.stdin, process.stdout

    def run() -> float:
        ask.write("run\n")
        return float(answers.readline())

    with process:
        run()
        yield run
        ask.close()


def main(case: Case) -> None:
    products = products_of(SHAPE_110M, case)
    for _ in sys.stdin:
        started = perf_counter()
        for product in products:
            product()
        print(perf_counter() - started, flush=True)


if __name__ == "__main__":
    main(Case(*json.loads(sys.argv[1])))
