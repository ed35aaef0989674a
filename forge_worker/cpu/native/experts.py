"""The chosen experts of each row, one after the other, each on the rows that chose it.

Which rows those are is known only once the router has spoken, so that such a step is not recorded.
Knows no memory of weights.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from forge_common.checkpoint.families import Activation
from forge_worker.cpu.expert_rows import by_expert
from forge_worker.cpu.native.buffers import Buffers
from forge_worker.cpu.native.gates import GATE_CODES
from forge_worker.cpu.native.pool import Record
from forge_worker.cpu.native.products import Gate, Output, Products, Rows
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import Expert, ExpertChoice, RmsNorm


class Experts:
    def __init__(self, products: Products, buffers: Buffers) -> None:
        self._products = products
        self._buffers = buffers

    def mix(
        self,
        rows: Rows,
        norm: RmsNorm | None,
        choice: ExpertChoice,
        experts: Sequence[Expert],
        activation: Activation,
    ) -> FloatArray:
        num_rows = rows.num_rows
        scores = self._buffers.floats("scores", num_rows, choice.router.num_rows)
        output = Output(scores.ctypes.data, scores.strides[0])
        self._products.multiply(rows, norm, choice.router, output)
        mixed = self._buffers.floats("mixed", num_rows, rows.num_columns)
        mixed.fill(0)
        for index, chosen, weights in by_expert(scores, choice):
            numbers = chosen.astype(np.int32)
            record = Record([len(chosen), numbers.ctypes.data])
            some = rows._replace(count_address=record.address, rows_address=record.address + 8)
            mixed[chosen] += (
                self._computed(some, norm, experts[index], activation) * weights[:, None]
            )
        return mixed

    def _computed(
        self, rows: Rows, norm: RmsNorm | None, expert: Expert, activation: Activation
    ) -> FloatArray:
        num_rows, down = rows.num_rows, expert.down.weight
        gated = self._buffers.floats("gated", num_rows, down.num_columns)
        gate = Gate(GATE_CODES[activation], gated.ctypes.data)
        self._products.gated(rows, norm, expert.gate_up, gate)
        computed = self._buffers.floats("product", num_rows, down.num_rows)
        of_gated = Rows(gated.ctypes.data, gated.strides[0], down.num_columns, rows.count_address)
        self._products.multiply(
            of_gated, None, down, Output(computed.ctypes.data, computed.strides[0])
        )
        return computed
