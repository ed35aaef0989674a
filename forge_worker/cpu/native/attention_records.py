"""What the kernels of attention and rotation are told, as records of 64-bit numbers.

    layer record   of a launch: where a layer's cache, its inputs and its results lie
    step record    one, at an address that stays: the model's sizes, and of each step its arrays
    rope record    one a rotation, at an address that stays: the rotation of the step's tokens
    plan record    one a window, at an address that stays: the tasks of the step

The names are places in bytes from the start of a record; a kernel reads `layer + KEYS`. Numbers
that are float32 lie in the lower half of theirs. Knows neither kernels nor how a step is planned.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forge_worker.cpu.native.pool import Record

# Of a layer: addresses, but for strides and widths in bytes.
STEP, PLAN, ROPE, KEYS, VALUES = 0, 8, 16, 24, 32
QUERIES, ROW_STRIDE, OUT = 40, 48, 56  # rows of queries: alone, or the start of joined q|k|v
QUERY_NORM, QUERY_NORM_BYTES = 64, 72  # float32 weights, as wide as what is normed together
KEY_NORM, KEY_NORM_BYTES, NORM_EPSILON = 80, 88, 96
LAYER_BYTES = 104

# Of a step: sizes of the model and of its cache,
NUM_HEADS, NUM_KV_HEADS, HEAD_DIM, BLOCK_SIZE, GROUPS_PER_BLOCK = 0, 8, 16, 24, 32
BLOCK_BYTES, HEAD_BYTES, GROUP_BYTES, MAX_TILE_ROWS, SCALE, SCORE_CAP = 40, 48, 56, 64, 72, 80
SCORES_FUNCTION, SUMS_FUNCTION = 88, 96
# then what changes from step to step.
TABLES, TABLE_STRIDE, SLOTS, NUM_TOKENS, TOKENS_PER_STORE, NUM_STORE_TASKS = range(104, 152, 8)
STEP_BYTES = 152

# Of a rope: tables [rows, rotary dimensions], as forge_worker/rotary.py has them, and int32
# [num_tokens], which row is whose.
COS, SIN, ROTARY_DIM, TABLE_ROWS = 0, 8, 16, 24
ROPE_BYTES = 32

# Of a plan.
TASKS, NUM_TASKS, WINDOW = 0, 8, 16
PLAN_BYTES = 24

# Of a task: neighbouring queries of one sequence, and some of the key heads.
SEQUENCE, FIRST_ROW, FIRST_POSITION, NUM_POSITIONS, FIRST_HEAD, NUM_TASK_HEADS = range(0, 48, 8)
TASK_LONGS = 6
TASK_BYTES = 8 * TASK_LONGS


def make_record(num_bytes: int, numbers: Mapping[int, int]) -> Record:
    record = Record([0] * (num_bytes // 8))
    write_record(record, numbers)
    return record


def write_record(record: Record, numbers: Mapping[int, int]) -> None:
    """`numbers` by their place in bytes."""
    for place, number in numbers.items():
        record.values[place // 8] = number


def float_bits(number: float) -> int:
    """A float32 as the lower half of a 64-bit number."""
    return int(np.float32(number).view(np.uint32))
