"""The kernel of attention: one tile of queries against the keys and values that they see.

Span after span of 512 lanes: scores of a block of rows, their weights, the sums of weighted values,
merged into what the rows attended to in the spans before. Every row goes through its own keys in
the same spans and the same order whatever tile it is in, alone or in a chunk, so its result has the
same bits. What a row must not see is never read as a value, so that it may be anything.
"""

from __future__ import annotations

from forge_worker.cpu.native.attention_blocks import BlockCode, make_attend_block
from forge_worker.cpu.native.attention_fetching import list_groups
from forge_worker.cpu.native.attention_ir import (
    MAX_BLOCK_ROWS,
)
from forge_worker.cpu.native.attention_records import (
    FIRST_HEAD,
    FIRST_ROW,
    HEAD_DIM,
    NUM_HEADS,
    NUM_POSITIONS,
    NUM_TASK_HEADS,
    OUT,
    PLAN,
    STEP,
    TASK_BYTES,
    TASKS,
)
from forge_worker.cpu.native.attention_tiles import (
    BEGINS,
    ENDS,
    SPAN_LANES,
    copy_queries,
    find_groups,
    find_lanes,
    group_size,
    masses_at,
    rows_of_head,
    sums_at,
)
from forge_worker.cpu.native.elementwise import clear_row, divide_row
from forge_worker.cpu.native.kernel import KernelFunction, inlined
from forge_worker.cpu.native.memory import read_float, read_long
from forge_worker.cpu.native.softmax import SUM_OF_WEIGHTS, begin_mass


def attention_kernel(code: BlockCode) -> KernelFunction:
    attend_block = make_attend_block(code)

    def attention(layer: int, task: int, scratch: int) -> None:
        step = read_long(layer + STEP)
        tile = read_long(read_long(layer + PLAN) + TASKS) + task * TASK_BYTES
        find_lanes(layer, tile, scratch)
        begin_rows(layer, tile, scratch)
        last = read_long(tile + NUM_POSITIONS) - 1
        first_span = read_long(scratch + BEGINS) // SPAN_LANES
        last_span = (read_long(scratch + ENDS + 8 * last) - 1) // SPAN_LANES
        num_rows = (last + 1) * group_size(step)
        for span in range(first_span, last_span + 1):
            find_groups(step, tile, scratch, span)
            list_groups(layer, tile, scratch, span)
            for head in range(read_long(tile + NUM_TASK_HEADS)):
                for row in range(0, num_rows, MAX_BLOCK_ROWS):
                    attend_block(layer, tile, scratch, span, head, row)
        finish_rows(layer, tile, scratch)

    return attention


@inlined
def begin_rows(layer: int, tile: int, scratch: int) -> None:
    step = read_long(layer + STEP)
    head_rows = rows_of_head(step, tile)
    for head in range(read_long(tile + NUM_TASK_HEADS)):
        copy_queries(layer, tile, scratch, read_long(tile + FIRST_HEAD) + head, head * head_rows)
        for row in range(head * head_rows, (head + 1) * head_rows):
            begin_mass(masses_at(scratch, row))
            clear_row(sums_at(step, scratch, row), read_long(step + HEAD_DIM))


@inlined
def finish_rows(layer: int, tile: int, scratch: int) -> None:
    step = read_long(layer + STEP)
    head_dim, group = read_long(step + HEAD_DIM), group_size(step)
    for head in range(read_long(tile + NUM_TASK_HEADS)):
        first_query_head = (read_long(tile + FIRST_HEAD) + head) * group
        first_row = head * rows_of_head(step, tile)
        for row in range(read_long(tile + NUM_POSITIONS) * group):
            token = read_long(tile + FIRST_ROW) + row // group
            place = token * read_long(step + NUM_HEADS) + first_query_head + row % group
            total = read_float(masses_at(scratch, first_row + row) + SUM_OF_WEIGHTS)
            out = read_long(layer + OUT) + place * head_dim * 4
            divide_row(out, sums_at(step, scratch, first_row + row), head_dim, total)
