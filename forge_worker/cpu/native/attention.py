"""NativeAttention: rotation, storing and attention of all layers of a model, as compiled kernels.

Once a step `prepare` writes what the layers share into records whose addresses stay; the layers'
own records, made once, lead to them. So a step's launches can be listed once and run again and
again. Knows sizes and addresses, not what projections make the queries.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from forge_common.checkpoint.rope_scaling import Rope
from forge_common.instruction_set import InstructionSet
from forge_worker.cpu.native import attention_records as at
from forge_worker.cpu.native.attention_blocks import BlockCode
from forge_worker.cpu.native.attention_kernel import attention_kernel
from forge_worker.cpu.native.attention_products import (
    Products,
    compile_products,
)
from forge_worker.cpu.native.attention_tasks import HeadCounts, TaskPlan
from forge_worker.cpu.native.attention_tiles import tile_scratch_bytes
from forge_worker.cpu.native.kernel import Kernel, compile_kernel
from forge_worker.cpu.native.kv_layout import KVLayout
from forge_worker.cpu.native.kv_numbers import KV_NUMBERS
from forge_worker.cpu.native.pool import Record
from forge_worker.cpu.native.rotary import rotate_and_store_kernel
from forge_worker.cpu.native.rotation_table import RotationRows
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.ops.protocol import HeadNorms, KVLayer
from forge_worker.rotary import Rotation

ALL_POSITIONS = 2**62  # a window that nothing lies outside of
TOKENS_PER_STORE = 4
TOKENS_PER_LONG_STORE = 16  # neighbours share a group of the cache, so one thread writes it
MANY_TOKENS = 64


class AttentionShape(NamedTuple):
    """Of a model and its cache."""

    num_heads: int
    layout: KVLayout
    scale: float  # of scores
    score_cap: float | None  # scores become cap · tanh(score / cap)

    @property
    def heads(self) -> HeadCounts:
        num_kv_heads = self.layout.num_kv_heads
        return HeadCounts(num_kv_heads, self.num_heads // num_kv_heads)

    @property
    def scratch_bytes(self) -> int:
        """What a task of attention needs of its thread."""
        return tile_scratch_bytes(self.heads.max_tile_rows, self.layout.head_dim)


class AttentionKernels(NamedTuple):
    rotate_and_store: Kernel
    attention: Kernel
    products: Products  # which attention calls


class Launch(NamedTuple):
    """What a pool needs to run a kernel for a layer in every step."""

    kernel: Kernel
    record: Record
    num_tasks_address: int  # of an int64 that `prepare` writes


def compile_attention(shape: AttentionShape, instructions: InstructionSet) -> AttentionKernels:
    name, label = shape.layout.format.name, instructions.name
    numbers = KV_NUMBERS[name]
    code = BlockCode(shape.score_cap is not None, numbers.has_scales)
    kind = f"{'-capped' if code.has_cap else ''}{'-scaled' if code.has_scales else ''}"
    return AttentionKernels(
        compile_kernel(rotate_and_store_kernel(numbers), f"{label}-rotate-and-store-{name}"),
        compile_kernel(attention_kernel(code), f"{label}-attention{kind}"),
        compile_products(numbers, instructions.num_registers, f"{label}-{name}"),
    )


class NativeAttention:
    def __init__(self, shape: AttentionShape, kernels: AttentionKernels) -> None:
        self.shape = shape
        self._kernels = kernels
        self._step = at.make_record(at.STEP_BYTES, _constants(shape, kernels))
        self._plans: dict[int | None, Record] = {}
        self._task_plans: dict[int | None, TaskPlan] = {}
        self._ropes: dict[Rope, Record] = {}
        self._tables: dict[Rope, Rotation] = {}  # whose addresses those records have
        self._held: list[object] = []  # arrays whose addresses the records have

    def rotate_and_store(
        self, qkv: FloatArray, norms: HeadNorms | None, rope: Rope, kv_layer: KVLayer
    ) -> Launch:
        """Rows of joined q|k|v are normed and rotated in place, keys and values stored.

        Of a rope that was prepared, for as long as the arrays stay where they are. Weights of norms
        are float32, and as wide as what is normed together.
        """
        record = self._record(kv_layer, qkv)
        at.write_record(record, {at.ROPE: self._ropes[rope].address})
        if norms is not None:
            at.write_record(record, _norms(norms))
        num_tasks = self._step.address + at.NUM_STORE_TASKS
        return Launch(self._kernels.rotate_and_store, record, num_tasks)

    def attention(
        self, query: FloatArray, out: FloatArray, kv_layer: KVLayer, window: int | None
    ) -> Launch:
        """`query` are rows that begin with rotated queries, such as those of q|k|v; `out` is
        [T, num_heads · head_dim], close together.

        Of a window that was prepared, for as long as the arrays stay where they are.
        """
        plan = self._plans[window]
        record = self._record(kv_layer, query)
        at.write_record(record, {at.PLAN: plan.address, at.OUT: out.ctypes.data})
        return Launch(self._kernels.attention, record, plan.address + at.NUM_TASKS)

    def prepare(
        self,
        inputs: ForwardInputs,
        rotations: Mapping[Rope, RotationRows],
        windows: Iterable[int | None],
    ) -> None:
        """What launches are to do next: those of these ropes and windows, made before or after."""
        self._held = []
        self._prepare_step(inputs)
        for rope, (table, rows) in rotations.items():
            self._prepare_table(rope, table)
            self._held.append(rows)
            at.write_record(self._ropes[rope], {at.TABLE_ROWS: rows.ctypes.data})
        for window in windows:
            if window not in self._plans:
                self._make_plan(window)
            tasks = self._task_plans[window].tasks(inputs)
            numbers = {at.TASKS: tasks.ctypes.data, at.NUM_TASKS: len(tasks)}
            at.write_record(self._plans[window], numbers)

    def _prepare_table(self, rope: Rope, table: Rotation) -> None:
        """The same one most of the time."""
        if self._tables.get(rope) is table:
            return
        self._tables[rope] = table
        cos, sin = table
        numbers = {at.COS: cos.ctypes.data, at.SIN: sin.ctypes.data, at.ROTARY_DIM: cos.shape[1]}
        record = self._ropes.setdefault(rope, at.make_record(at.ROPE_BYTES, {}))
        at.write_record(record, numbers)

    def _make_plan(self, window: int | None) -> None:
        span = {at.WINDOW: ALL_POSITIONS if window is None else window}
        self._plans[window] = at.make_record(at.PLAN_BYTES, span)
        self._task_plans[window] = TaskPlan(self.shape.heads, window)

    def _prepare_step(self, inputs: ForwardInputs) -> None:
        tables = np.ascontiguousarray(inputs.block_tables, np.int32)
        slots = np.ascontiguousarray(inputs.slot_mapping, np.int64)
        self._held += [tables, slots]
        is_long = inputs.num_tokens > MANY_TOKENS
        tokens_per_store = TOKENS_PER_LONG_STORE if is_long else TOKENS_PER_STORE
        numbers = {
            at.TABLES: tables.ctypes.data,
            at.TABLE_STRIDE: tables.strides[0],
            at.SLOTS: slots.ctypes.data,
            at.NUM_TOKENS: inputs.num_tokens,
            at.TOKENS_PER_STORE: tokens_per_store,
            at.NUM_STORE_TASKS: -(-inputs.num_tokens // tokens_per_store),
        }
        at.write_record(self._step, numbers)

    def _record(self, kv_layer: KVLayer, rows: FloatArray) -> Record:
        numbers = {
            at.STEP: self._step.address,
            at.KEYS: kv_layer.keys.ctypes.data,
            at.VALUES: kv_layer.values.ctypes.data,
            at.QUERIES: rows.ctypes.data,
            at.ROW_STRIDE: rows.strides[0],
        }
        return at.make_record(at.LAYER_BYTES, numbers)


def _norms(norms: HeadNorms) -> dict[int, int]:
    return {
        at.QUERY_NORM: norms.query.ctypes.data,
        at.QUERY_NORM_BYTES: norms.query.nbytes,
        at.KEY_NORM: norms.key.ctypes.data,
        at.KEY_NORM_BYTES: norms.key.nbytes,
        at.NORM_EPSILON: at.float_bits(norms.eps),
    }


def _constants(shape: AttentionShape, kernels: AttentionKernels) -> dict[int, int]:
    """The part of the step's record that stays."""
    layout = shape.layout
    return {
        at.NUM_HEADS: shape.num_heads,
        at.NUM_KV_HEADS: layout.num_kv_heads,
        at.HEAD_DIM: layout.head_dim,
        at.BLOCK_SIZE: layout.block_size,
        at.GROUPS_PER_BLOCK: layout.groups_per_block,
        at.BLOCK_BYTES: layout.block_bytes,
        at.HEAD_BYTES: layout.head_bytes,
        at.GROUP_BYTES: layout.group_bytes,
        at.MAX_TILE_ROWS: shape.heads.max_tile_rows,
        at.SCALE: at.float_bits(shape.scale),
        at.SCORE_CAP: at.float_bits(shape.score_cap or 0.0),
        at.SCORES_FUNCTION: kernels.products.scores.address,
        at.SUMS_FUNCTION: kernels.products.sums.address,
    }
