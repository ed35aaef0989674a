"""Kernel code of one tile of attention: which keys its rows see, and where its numbers lie.

A tile is neighbouring queries of one sequence, for some of the key heads. Each query of each head
of a key head's group is a row; rows are worked on in blocks. Keys are counted in lanes: 16 for each
group of the cache, of which a block's last group may fill fewer. Spans of 32 groups lie at fixed
places of a sequence, whatever the tile. Knows no arithmetic of attention.
"""

from __future__ import annotations

from forge_worker.cpu.native.attention_ir import (
    GROUPS_PER_SPAN,
    MAX_BLOCK_ROWS,
    NUM_OFFSETS,
    SCORES_STRIDE,
    SUMS_STRIDE,
)
from forge_worker.cpu.native.attention_records import (
    BLOCK_BYTES,
    BLOCK_SIZE,
    FIRST_POSITION,
    FIRST_ROW,
    GROUP_BYTES,
    GROUPS_PER_BLOCK,
    HEAD_DIM,
    MAX_TILE_ROWS,
    NUM_HEADS,
    NUM_KV_HEADS,
    NUM_POSITIONS,
    PLAN,
    QUERIES,
    ROW_STRIDE,
    SCALE,
    SEQUENCE,
    STEP,
    TABLE_STRIDE,
    TABLES,
    WINDOW,
)
from forge_worker.cpu.native.elementwise import scatter_scaled
from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.memory import read_float, read_int, read_long, write_long

LANES = 16
SPAN_LANES = GROUPS_PER_SPAN * LANES
MAX_POSITIONS = 192
MAX_TASK_HEADS = 32
MAX_LISTED = 2 * (MAX_TASK_HEADS + 1) * GROUPS_PER_SPAN  # a span's and the beginning of the next

# Places in a thread's scratch, in bytes.
OFFSETS = 0  # of the groups of the span and the next, from the start of a head
GROUP_LANES = OFFSETS + 8 * NUM_OFFSETS  # how many lanes of each are tokens
LISTED = GROUP_LANES + 8 * NUM_OFFSETS  # addresses of groups: see attention_fetching.py
BEGINS = LISTED + 8 * MAX_LISTED  # of each position the first lane that it sees
ENDS = BEGINS + 8 * MAX_POSITIONS
SPAN_MASSES = ENDS + 8 * MAX_POSITIONS
SCORES = SPAN_MASSES + 64
SPAN_SUMS = SCORES + MAX_BLOCK_ROWS * SCORES_STRIDE
MASSES = SPAN_SUMS + MAX_BLOCK_ROWS * SUMS_STRIDE  # of the tile's rows; then their sums and queries
MASS_BYTES = 8


def tile_scratch_bytes(max_tile_rows: int, head_dim: int) -> int:
    return MASSES + max_tile_rows * (MASS_BYTES + 2 * 4 * head_dim)


@inlined
def masses_at(scratch: int, row: int) -> int:
    return scratch + MASSES + row * MASS_BYTES


@inlined
def sums_at(step: int, scratch: int, row: int) -> int:
    row_bytes: int = read_long(step + HEAD_DIM) * 4
    masses_bytes: int = read_long(step + MAX_TILE_ROWS) * MASS_BYTES
    return scratch + MASSES + masses_bytes + row * row_bytes


@inlined
def queries_at(step: int, scratch: int, row: int) -> int:
    place: int = sums_at(step, scratch, read_long(step + MAX_TILE_ROWS) + row)
    return place


@inlined
def group_size(step: int) -> int:
    """Query heads of a key head."""
    size: int = read_long(step + NUM_HEADS) // read_long(step + NUM_KV_HEADS)
    return size


@inlined
def compiled_rows(num_rows: int) -> int:
    """The rows of the block of products that `num_rows` are computed in."""
    return min(num_rows, MAX_BLOCK_ROWS) + (1 if num_rows == MAX_BLOCK_ROWS - 1 else 0)


@inlined
def rows_of_head(step: int, tile: int) -> int:
    """Rows set aside for a head of the tile."""
    num_rows: int = read_long(tile + NUM_POSITIONS) * group_size(step)
    last = num_rows % MAX_BLOCK_ROWS
    last_compiled: int = compiled_rows(last)
    return num_rows - last + last_compiled


@inlined
def lane_of(step: int, position: int) -> int:
    """Its lane in its sequence."""
    block_size: int = read_long(step + BLOCK_SIZE)
    block_lanes: int = read_long(step + GROUPS_PER_BLOCK) * LANES
    return position // block_size * block_lanes + position % block_size


@inlined
def find_lanes(layer: int, tile: int, scratch: int) -> None:
    """BEGINS and ENDS of the tile's positions, in lanes of the sequence."""
    step, window = read_long(layer + STEP), read_long(read_long(layer + PLAN) + WINDOW)
    for index in range(read_long(tile + NUM_POSITIONS)):
        position = read_long(tile + FIRST_POSITION) + index
        first = max(0, position - window + 1)
        write_long(scratch + BEGINS + 8 * index, lane_of(step, first))
        write_long(scratch + ENDS + 8 * index, lane_of(step, position) + 1)


@inlined
def begin_in_span(scratch: int, position: int, span: int) -> int:
    lane: int = read_long(scratch + BEGINS + 8 * position) - span * SPAN_LANES
    return min(max(lane, 0), SPAN_LANES)


@inlined
def end_in_span(scratch: int, position: int, span: int) -> int:
    lane: int = read_long(scratch + ENDS + 8 * position) - span * SPAN_LANES
    return min(max(lane, 0), SPAN_LANES)


@inlined
def find_groups(step: int, tile: int, scratch: int, span: int) -> None:
    """OFFSETS and GROUP_LANES of the span's groups, as far as the tile's last query sees them."""
    last = (read_long(scratch + ENDS + 8 * (read_long(tile + NUM_POSITIONS) - 1)) - 1) // LANES
    groups_per_block = read_long(step + GROUPS_PER_BLOCK)
    table = read_long(tile + SEQUENCE) * read_long(step + TABLE_STRIDE) + read_long(step + TABLES)
    first = span * GROUPS_PER_SPAN
    block, group_of_block = first // groups_per_block, first % groups_per_block
    offset = 0
    for index in range(NUM_OFFSETS):
        if first + index <= last:
            offset = read_int(table + 4 * block) * read_long(step + BLOCK_BYTES)
            offset += group_of_block * read_long(step + GROUP_BYTES)
        write_long(scratch + OFFSETS + 8 * index, offset)
        num_lanes = min(LANES, read_long(step + BLOCK_SIZE) - LANES * group_of_block)
        write_long(scratch + GROUP_LANES + 8 * index, num_lanes)
        group_of_block += 1
        if group_of_block == groups_per_block:
            block, group_of_block = block + 1, 0


@inlined
def copy_queries(layer: int, tile: int, scratch: int, head: int, first_row: int) -> None:
    """Scaled queries of a key head, by blocks [head_dim, rows], to the tile's rows from there."""
    step = read_long(layer + STEP)
    head_dim, scale, group = read_long(step + HEAD_DIM), read_float(step + SCALE), group_size(step)
    num_rows = read_long(tile + NUM_POSITIONS) * group
    for row in range(num_rows):
        place = row % MAX_BLOCK_ROWS
        rows = compiled_rows(num_rows - row + place)
        query = read_long(layer + QUERIES) + (head * group + row % group) * head_dim * 4
        token = read_long(tile + FIRST_ROW) + row // group
        query += token * read_long(layer + ROW_STRIDE)
        to = queries_at(step, scratch, first_row + row - place) + 4 * place
        scatter_scaled(query, to, 4 * rows, head_dim, scale)
