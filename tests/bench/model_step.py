"""Whole steps of a 110 M-parameter Llama in float32 against the bare matrix products they contain.

A step is RunBatch in, BatchOutput out: mirror, inputs, model, sampler. The floor is what NumPy
needs for the same products on contiguous arrays and nothing else: the linear layers and the head,
each in the faster of its two orders, and attention's two products over the context. Step and floor
run in turn, so that a noisy neighbour meets both.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from forge_common.config import DeviceSettings
from forge_common.protocol.scheduler_worker import NewSequence, RunBatch, ScheduledSequence
from forge_common.sampling import SamplingParams
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_model
from forge_worker.sequence_mirror import Limits
from tests.bench.random_model import SHAPE_110M, Shape, write_random_model
from tests.bench.report import Figure, alternate

BLOCK_SIZE = 16
NUM_BLOCKS = 1024
CONTEXT = 128
PREFILL = 512
ROUNDS = 15


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        write_random_model(Path(directory), SHAPE_110M)
        model = load_model(Path(directory), DeviceSettings(), lambda done, total: None)
        for batch_size in (1, 16, 32):
            step = DecodeSteps(make_runner(model), batch_size)
            floor = bare_products(SHAPE_110M, batch_size, CONTEXT, batch_size)
            yield from _compare(f"decode, batch {batch_size}, context {CONTEXT}", step, floor)
        prefill = Prefills(make_runner(model), PREFILL)
        yield from _compare(
            f"prefill of {PREFILL} tokens", prefill, bare_prefill_products(SHAPE_110M, PREFILL)
        )


def _compare(
    name: str, step: Callable[[], object], floor: Callable[[], object]
) -> Iterator[Figure]:
    seconds = alternate({"step": step, "floor": floor}, ROUNDS)
    yield Figure(f"110M, {name}: step", seconds["step"] * 1e3, "ms")
    yield Figure("… its bare matrix products", seconds["floor"] * 1e3, "ms")
    yield Figure("… ratio", seconds["step"] / seconds["floor"], "×", "≤ 1.2×")


def make_runner(model: object) -> ModelRunner:
    limits = Limits(
        max_batch_size=64,
        max_model_len=2048,
        vocab_size=SHAPE_110M.vocab_size,
        num_blocks=NUM_BLOCKS,
        block_size=BLOCK_SIZE,
    )
    kv_cache = allocate_kv_cache(model.config, model.ops, NUM_BLOCKS, BLOCK_SIZE)
    return ModelRunner(model, kv_cache, limits, num_threads=2)


class Prefills:
    """One new prompt a call."""

    def __init__(self, runner: ModelRunner, num_tokens: int) -> None:
        self.runner = runner
        self.num_tokens = num_tokens
        self.step_id = 0

    def __call__(self) -> None:
        prompt = list(range(5, 5 + self.num_tokens))
        sampling = SamplingParams(max_tokens=8, seed=1, temperature=0.0)
        released = [self.step_id - 1] if self.step_id else []
        new = NewSequence(self.step_id, 0, prompt, self.num_tokens, sampling)
        blocks = list(range(-(-self.num_tokens // BLOCK_SIZE)))
        scheduled = ScheduledSequence(self.step_id, 0, self.num_tokens, blocks, True)
        self.runner.run(RunBatch(self.step_id, released, [new], [scheduled]))
        self.step_id += 1


class DecodeSteps:
    """One more token for each of `batch_size` sequences a call, from a context of CONTEXT on."""

    def __init__(self, runner: ModelRunner, batch_size: int) -> None:
        self.runner = runner
        self.batch_size = batch_size
        self.num_computed = CONTEXT
        sampling = SamplingParams(max_tokens=1000, seed=1, temperature=0.8, top_p=0.95, top_k=50)
        new = [NewSequence(i, 0, [7 + i] * CONTEXT, CONTEXT, sampling) for i in range(batch_size)]
        num_blocks = (CONTEXT + ROUNDS + BLOCK_SIZE) // BLOCK_SIZE + 1
        # Blocks lie interleaved, as they do after a while of serving.
        tables = [[i + batch_size * j for j in range(num_blocks)] for i in range(batch_size)]
        scheduled = [
            ScheduledSequence(i, 0, CONTEXT, table, True) for i, table in enumerate(tables)
        ]
        runner.run(RunBatch(0, [], new, scheduled))

    def __call__(self) -> None:
        scheduled = [
            ScheduledSequence(i, self.num_computed, 1, [], True) for i in range(self.batch_size)
        ]
        self.runner.run(RunBatch(self.num_computed, [], [], scheduled))
        self.num_computed += 1


def bare_products(
    shape: Shape, num_rows: int, context: int, num_logits: int
) -> Callable[[], object]:
    """The products of a step: each of `num_rows` tokens sees `context` tokens of its own."""
    head_dim = shape.hidden_size // shape.num_heads
    query = _random(num_rows, shape.num_heads, 1, head_dim)
    keys = _random(num_rows, shape.num_heads, head_dim, context)
    values = _random(num_rows, shape.num_heads, context, head_dim)
    linear = _linear_products(shape, num_rows, num_logits)

    def run() -> None:
        linear()
        for _ in range(shape.num_layers):
            np.matmul(query, keys) @ values

    return run


def bare_prefill_products(shape: Shape, num_tokens: int) -> Callable[[], object]:
    """The products of one prompt; attention over the full square, as dense products do it."""
    head_dim = shape.hidden_size // shape.num_heads
    query = _random(shape.num_heads, num_tokens, head_dim)
    keys = _random(shape.num_heads, head_dim, num_tokens)
    values = _random(shape.num_heads, num_tokens, head_dim)
    linear = _linear_products(shape, num_tokens, 1)

    def run() -> None:
        linear()
        for _ in range(shape.num_layers):
            np.matmul(query, keys) @ values

    return run


def _linear_products(shape: Shape, num_rows: int, num_logits: int) -> Callable[[], object]:
    hidden, inner = shape.hidden_size, shape.intermediate_size
    sizes = [(3 * hidden, hidden), (hidden, hidden), (2 * inner, hidden), (hidden, inner)]
    layers = [[_random(*size) for size in sizes] for _ in range(shape.num_layers)]
    products = [_faster_order(weight, num_rows) for layer in layers for weight in layer]
    products.append(_faster_order(_random(shape.vocab_size, hidden), num_logits))

    def run() -> None:
        for product in products:
            product()

    return run


def _faster_order(weight: np.ndarray, num_rows: int) -> Callable[[], object]:
    x = _random(num_rows, weight.shape[1])
    orders: dict[str, Callable[[], object]] = {
        "rows": lambda: x @ weight.T,
        "columns": lambda: weight @ x.T,
    }
    seconds = alternate(orders, 3)
    return orders[min(seconds, key=lambda name: seconds[name])]


def _random(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal(shape, np.float32)
