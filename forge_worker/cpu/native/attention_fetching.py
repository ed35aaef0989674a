"""Kernel code: which groups of the cache are fetched while others are worked on.

    keys that a block of rows sees │ values likewise │ keys of what comes next     a list of groups

While a group is worked on, the one GROUPS_AHEAD places further on is fetched, so that as much is
asked of memory in scores as in sums. Knows no arithmetic.
"""

from __future__ import annotations

from forge_worker.cpu.native.attention_ir import GROUPS_PER_SPAN, MAX_BLOCK_ROWS, MAX_VECTORS
from forge_worker.cpu.native.attention_records import (
    FIRST_HEAD,
    HEAD_BYTES,
    KEYS,
    NUM_POSITIONS,
    NUM_TASK_HEADS,
    STEP,
    VALUES,
)
from forge_worker.cpu.native.attention_tiles import LISTED, OFFSETS, group_size
from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.memory import read_long, write_long

GROUPS_AHEAD = 4  # a run of scores; with more, groups of one head put each other out of the cache


@inlined
def list_groups(
    layer: int, tile: int, scratch: int, head: int, first_row: int, begin: int, end: int
) -> None:
    """Those that rows of a key head of the tile, from `first_row`, go through: begin .. end - 1."""
    step = read_long(layer + STEP)
    head_offset = (read_long(tile + FIRST_HEAD) + head) * read_long(step + HEAD_BYTES)
    keys, values = read_long(layer + KEYS) + head_offset, read_long(layer + VALUES) + head_offset
    place = list_some(scratch, scratch + LISTED, keys, begin, end)
    place = list_some(scratch, place, values, begin, end)
    next_group = begin
    if first_row + MAX_BLOCK_ROWS >= read_long(tile + NUM_POSITIONS) * group_size(step):
        if head + 1 < read_long(tile + NUM_TASK_HEADS):
            keys += read_long(step + HEAD_BYTES)
        else:
            keys -= head * read_long(step + HEAD_BYTES)
            next_group = GROUPS_PER_SPAN
    list_some(scratch, place, keys, next_group, next_group + GROUPS_AHEAD + MAX_VECTORS)


@inlined
def list_some(scratch: int, place: int, head: int, begin: int, end: int) -> int:
    """Groups begin .. end - 1 at a place of the list; where they end."""
    for group in range(begin, end):
        write_long(place, head + read_long(scratch + OFFSETS + 8 * group))
        place += 8
    return place


@inlined
def ahead_of_keys(scratch: int) -> int:
    """What to fetch meanwhile, for each group from the first that was listed."""
    place: int = scratch + LISTED + 8 * GROUPS_AHEAD
    return place


@inlined
def ahead_of_values(scratch: int, begin: int, end: int) -> int:
    """The same, for each group of the span."""
    place: int = ahead_of_keys(scratch) + 8 * (end - begin) - 8 * begin
    return place
