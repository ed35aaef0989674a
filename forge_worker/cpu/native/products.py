"""Products: from rows of float32, through prepared activations, to what a matrix makes of them.

A product is two launches or more: prepare the rows, in each kind that the matrix's formats read,
and multiply, part by part. Knows no model, and no step but the number of its rows.
"""

from __future__ import annotations

import ctypes
from typing import NamedTuple

import numpy as np

from forge_worker.cpu.native.activations import (
    GateArguments,
    JoinArguments,
    PrepareArguments,
    bits_of,
)
from forge_worker.cpu.native.buffers import FLOAT_BYTES, Buffers
from forge_worker.cpu.native.gemm import Finish, GemmArguments
from forge_worker.cpu.native.kernels import Kernels
from forge_worker.cpu.native.launcher import Launcher
from forge_worker.cpu.native.packing import PackedMatrix, PackedPart
from forge_worker.cpu.native.tiles import (
    BLOCK,
    NUM_SUMS,
    TILE_ROWS,
    ActivationKind,
    num_tiles,
    padded_columns,
)
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import Joining, LinearWeights, RmsNorm

NUMBER_BYTES: dict[ActivationKind, int] = {"float32": 4, "bfloat16": 2, "int8": 1}
TASKS_PER_THREAD = 16  # so that the last task of a product is a small part of it
MIN_TASK_BYTES = 2**17  # so that a thread stays on one stream of weights for some microseconds


class Rows(NamedTuple):
    """float32, in memory that stays while the launches may be repeated."""

    address: int
    row_bytes: int
    num_columns: int
    count_address: int  # of an int64
    rows_address: int = 0  # where the address of int32 numbers of the rows to take stands

    @property
    def num_rows(self) -> int:
        """As it is now."""
        return ctypes.c_int64.from_address(self.count_address).value


class Output(NamedTuple):
    address: int  # float32
    row_bytes: int
    bias: FloatArray | None = None  # padded as `NativeOps.place` pads
    finish: Finish = Finish.STORE
    gate_code: int = 0
    scale: float = 1.0


class Gate(NamedTuple):
    code: int
    out: int  # address of float32 rows, close together


class Prepared(NamedTuple):
    """Activations of one kind."""

    address: int
    row_bytes: int
    scales: int
    sums: int
    count_address: int


class Products:
    def __init__(self, kernels: Kernels, launcher: Launcher, buffers: Buffers) -> None:
        self._kernels = kernels
        self._launcher = launcher
        self._buffers = buffers

    def norm(self, rows: Rows, norm: RmsNorm, out: int) -> None:
        """Normed rows in float32, close together."""
        prepared = Prepared(out, FLOAT_BYTES * rows.num_columns, 0, 0, rows.count_address)
        self._prepare("float32", rows, norm, prepared)

    def multiply(
        self, rows: Rows, norm: RmsNorm | None, matrix: PackedMatrix, output: Output
    ) -> None:
        """Of normed rows, where there is a norm."""
        prepared = self._prepare_all(rows, norm, matrix)
        first_row = 0
        for part in matrix.parts:
            self._multiply_part(part, prepared[self._kind(part)], output, first_row)
            first_row += part.num_rows

    def gated(self, rows: Rows, norm: RmsNorm | None, gate_up: LinearWeights, gate: Gate) -> None:
        """act(gate) · up of the joined rows gate|up: float32 [rows, matrix rows / 2]."""
        matrix: PackedMatrix = gate_up.weight
        width = matrix.num_rows // 2
        row_bytes = FLOAT_BYTES * width
        if len(matrix.parts) == 1 and width % TILE_ROWS == 0:
            prepared = self._prepare_all(rows, norm, matrix)
            output = Output(gate.out, row_bytes, gate_up.bias, Finish.GATE, gate.code)
            part = matrix.parts[0]
            self._multiply_gated(part, prepared[self._kind(part)], output)
            return
        joined = self._buffers.address("joined", 2 * row_bytes)
        self.multiply(rows, norm, matrix, Output(joined, 2 * row_bytes, gate_up.bias))
        arguments = GateArguments(joined, 2 * row_bytes, width, gate.out, row_bytes, gate.code)
        self._launcher.reserve_scratch(2 * FLOAT_BYTES * padded_columns(width))
        self._launcher.launch(self._kernels.gate(), arguments, rows.count_address)

    def join(self, residual: FloatArray, rows: Rows, joining: Joining) -> None:
        """residual += scale · norm(rows)."""
        norm, length = joining.norm, padded_columns(rows.num_columns)
        arguments = JoinArguments(
            x=rows.address,
            x_bytes=rows.row_bytes,
            rows_address=0,
            num_columns=rows.num_columns,
            length=length,
            norm=0 if norm is None else norm.weight.ctypes.data,
            eps_bits=0 if norm is None else bits_of(norm.eps),
            residual=residual.ctypes.data,
            residual_bytes=residual.strides[0],
            scale_bits=bits_of(joining.scale),
        )
        self._launcher.reserve_scratch(FLOAT_BYTES * length)
        self._launcher.launch(self._kernels.join(), arguments, rows.count_address)

    def _kind(self, part: PackedPart) -> ActivationKind:
        return self._kernels.activation(part.format.name)

    def _prepare_all(
        self, rows: Rows, norm: RmsNorm | None, matrix: PackedMatrix
    ) -> dict[ActivationKind, Prepared]:
        kinds = dict.fromkeys(self._kind(part) for part in matrix.parts)
        prepared = {kind: self._room(kind, rows) for kind in kinds}
        for kind, room in prepared.items():
            self._prepare(kind, rows, norm, room)
        return prepared

    def _room(self, kind: ActivationKind, rows: Rows) -> Prepared:
        length = padded_columns(rows.num_columns)
        row_bytes = length * NUMBER_BYTES[kind]
        table_bytes = FLOAT_BYTES * length // BLOCK
        return Prepared(
            self._buffers.address(kind, row_bytes),
            row_bytes,
            self._buffers.address("scales", table_bytes),
            self._buffers.address("sums", NUM_SUMS * table_bytes),
            rows.count_address,
        )

    def _prepare(
        self, kind: ActivationKind, rows: Rows, norm: RmsNorm | None, out: Prepared
    ) -> None:
        length = padded_columns(rows.num_columns)
        arguments = PrepareArguments(
            x=rows.address,
            x_bytes=rows.row_bytes,
            rows_address=rows.rows_address,
            num_columns=rows.num_columns,
            length=length,
            norm=0 if norm is None else norm.weight.ctypes.data,
            eps_bits=0 if norm is None else bits_of(norm.eps),
            out=out.address,
            out_bytes=out.row_bytes,
            scales=out.scales,
            sums=out.sums,
        )
        self._launcher.reserve_scratch(FLOAT_BYTES * length)
        self._launcher.launch(self._kernels.prepare(kind), arguments, rows.count_address)

    def _multiply_part(
        self, part: PackedPart, prepared: Prepared, output: Output, first_row: int
    ) -> None:
        """Its outputs stand beside those of the parts above it."""
        bias = None if output.bias is None else output.bias[first_row:]
        self._launch(
            part,
            prepared,
            output._replace(address=output.address + FLOAT_BYTES * first_row, bias=bias),
            Pairs(2 * part.tile_bytes, part.tile_bytes, -(-num_tiles(part.num_rows) // 2)),
        )

    def _multiply_gated(self, part: PackedPart, prepared: Prepared, output: Output) -> None:
        num_pairs = num_tiles(part.num_rows) // 2
        pairs = Pairs(part.tile_bytes, num_pairs * part.tile_bytes, num_pairs)
        self._launch(part, prepared, output, pairs)

    def _launch(self, part: PackedPart, prepared: Prepared, output: Output, pairs: Pairs) -> None:
        num_bytes = 2 * pairs.num_pairs * part.tile_bytes
        num_tasks = most_tasks(pairs.num_pairs, num_bytes, self._launcher.num_threads)
        pairs_per_task = -(-pairs.num_pairs // num_tasks)
        num_outputs = part.num_rows // 2 if output.finish is Finish.GATE else part.num_rows
        gemm = self._kernels.gemm(part.format.name)
        arguments = GemmArguments(
            product=gemm.product.address,
            tiles=part.tiles.ctypes.data,
            tile_bytes=part.tile_bytes,
            pair_bytes=pairs.pair_bytes,
            second_bytes=pairs.second_bytes,
            num_pairs=pairs.num_pairs,
            pairs_per_task=pairs_per_task,
            length=padded_columns(part.num_columns),
            activations=prepared.address,
            activation_bytes=prepared.row_bytes,
            scales=prepared.scales,
            sums=prepared.sums,
            num_rows_address=prepared.count_address,
            out=output.address,
            out_bytes=output.row_bytes,
            num_outputs=num_outputs,
            bias=0 if output.bias is None else output.bias.ctypes.data,
            finish=output.finish,
            gate_code=output.gate_code,
            scale_bits=bits_of(output.scale),
        )
        self._launcher.launch_tasks(gemm.kernel, arguments, -(-pairs.num_pairs // pairs_per_task))


class Pairs(NamedTuple):
    """How a part's tiles are taken two at a time."""

    pair_bytes: int
    second_bytes: int
    num_pairs: int


def most_tasks(num_pairs: int, num_bytes: int, num_threads: int) -> int:
    """That a product of so many pairs of tiles is worth."""
    worth = max(num_threads, num_bytes // MIN_TASK_BYTES)
    return min(num_pairs, TASKS_PER_THREAD * num_threads, worth)


def padded_vector(values: FloatArray) -> FloatArray:
    """The same numbers with zeros behind them, so that whole vectors and pairs may be read."""
    padded = np.zeros(padded_columns(len(values)) + 2 * TILE_ROWS, np.float32)
    padded[: len(values)] = values
    return padded[: len(values)]
