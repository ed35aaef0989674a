"""The products of a Llama, as its layers ask for them: through Products, which picks the way.

Up to 16 rows go through our own kernels, with norm and gate fused in; more through the library.
Every call has another copy of the weight, since in a step none comes out of a cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint import ModelConfig
from forge_common.device_workspace import GEMM_WORKSPACE_BYTES
from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.product_library import ProductLibrary
from forge_worker.cuda.products import PLAINLY, Products, ProductScratch, ProductShapes
from forge_worker.ops.protocol import LinearWeights, RmsNorm
from tests.bench.gpu.operands import Case, Store, counted
from tests.bench.gpu.timing import Work

PRECISION = Precision.BFLOAT16
RESIDUAL_BYTES = 4
EPS = 1e-5


class ProductOperands:
    """`sizes.max_tokens` is the most rows there are."""

    def __init__(self, store: Store, library: ProductLibrary, sizes: EngineSizes) -> None:
        device = store.device
        config, num_rows = sizes.config, sizes.max_tokens
        hidden, inner = config.hidden_size, config.intermediate_size
        largest = max(config.vocab_size, 2 * inner) * hidden
        gemm = library.gemm(sizes, device.allocate(GEMM_WORKSPACE_BYTES))
        tuning = device.allocate(max(largest * PRECISION.element_bytes, store.room.cold_bytes))
        library.prepare(sizes, tuning)
        del tuning  # there is no more memory than is needed
        self.weights = store.pool(PRECISION, largest)
        self.norm = store.pool(Precision.FLOAT32, hidden)
        self.wide = store.pool(PRECISION, num_rows * (hidden + inner))
        self.residual = store.pool(Precision.FLOAT32, num_rows * hidden)
        num_logits = num_rows * config.vocab_size
        logits = device.allocate(num_logits * RESIDUAL_BYTES).view(np.float32)
        self.logits = logits.reshape(num_rows, config.vocab_size)
        scratch = ProductScratch(
            store.array(PRECISION, (num_rows, hidden)),
            store.array(PRECISION, (num_rows, 2 * inner)),
            store.array(Precision.FLOAT32, (0, hidden)),
        )
        shapes = ProductShapes(PRECISION, hidden, inner, False)
        self.products = Products(device, shapes, gemm, scratch)

    def weight(self, num_features: int, size_k: int, number: int) -> LinearWeights:
        return LinearWeights(self.weights.array((num_features, size_k), number), None)


def product_cases(
    operands: ProductOperands, config: ModelConfig, row_counts: Sequence[int]
) -> Iterator[Case]:
    for num_rows in row_counts:
        yield from _of_rows(_Rows(operands, config, num_rows))


class _Rows:
    """The work of each product for so many rows."""

    def __init__(self, operands: ProductOperands, config: ModelConfig, num_rows: int) -> None:
        self.num_rows = num_rows
        self.hidden, self.inner = config.hidden_size, config.intermediate_size
        self.attended = config.num_heads * config.head_dim
        self.joined = self.attended + 2 * config.num_kv_heads * config.head_dim
        self.vocab = config.vocab_size
        self._operands = operands
        self._products = operands.products
        self._residual = operands.residual.array((num_rows, self.hidden))
        self._norm = RmsNorm(operands.norm.array((self.hidden,)), EPS)

    def qkv(self, number: int) -> None:
        weights = self._operands.weight(self.joined, self.hidden, number)
        out = self._operands.wide.array((self.num_rows, self.joined))
        self._products.norm_linear(self._residual, self._norm, weights, out)

    def gate_up(self, number: int) -> None:
        weights = self._operands.weight(2 * self.inner, self.hidden, number)
        out = self._operands.wide.array((self.num_rows, self.inner))
        self._products.norm_gated(self._residual, self._norm, weights, out)

    def attend(self, number: int) -> None:
        self._add(self.attended, number)

    def down(self, number: int) -> None:
        self._add(self.inner, number)

    def head(self, number: int) -> None:
        weights = self._operands.weight(self.vocab, self.hidden, number)
        x = self._operands.wide.array((self.num_rows, self.hidden))
        self._products.logits(x, weights.weight, self._operands.logits[: self.num_rows])

    def _add(self, size_k: int, number: int) -> None:
        weights = self._operands.weight(self.hidden, size_k, number)
        x = self._operands.wide.array((self.num_rows, size_k))
        self._products.add_linear(self._residual, x, weights, PLAINLY)


class _Product(NamedTuple):
    """Bytes are those of one row."""

    name: str
    work: Work
    num_features: int
    size_k: int
    in_bytes: int
    out_bytes: int


def _of_rows(rows: _Rows) -> Iterator[Case]:
    half, wide = PRECISION.element_bytes, RESIDUAL_BYTES
    hidden, inner, attended = rows.hidden, rows.inner, rows.attended
    added_to = 2 * wide * hidden  # read and written
    products = (
        _Product("norm, qkv", rows.qkv, rows.joined, hidden, wide * hidden, half * rows.joined),
        _Product("attention's out", rows.attend, hidden, attended, half * attended, added_to),
        _Product(
            "norm, gate and up, gate", rows.gate_up, 2 * inner, hidden, wide * hidden, half * inner
        ),
        _Product("down", rows.down, hidden, inner, half * inner, added_to),
        _Product("head", rows.head, rows.vocab, hidden, half * hidden, wide * rows.vocab),
    )
    for product in products:
        num_weights = product.num_features * product.size_k
        yield Case(
            f"{product.name}, {counted(rows.num_rows)}",
            product.work,
            half * num_weights + rows.num_rows * (product.in_bytes + product.out_bytes),
            2 * num_weights * rows.num_rows,
        )
