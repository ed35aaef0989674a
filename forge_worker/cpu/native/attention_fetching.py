"""Kernel code: which groups of the cache are fetched while others are worked on.

    keys of a head │ its values │ keys of the next head │ ...      the groups of a span, in a list
    keys of the first head │ ...                                   and the first of the next span

While a group is worked on, the one GROUPS_AHEAD places further on is fetched, so that as much is
asked of memory in scores as in sums. Knows no arithmetic.
"""

from __future__ import annotations

from forge_worker.cpu.native.attention_ir import GROUPS_PER_SPAN, MAX_VECTORS
from forge_worker.cpu.native.attention_records import (
    FIRST_HEAD,
    HEAD_BYTES,
    KEYS,
    NUM_POSITIONS,
    NUM_TASK_HEADS,
    STEP,
    VALUES,
)
from forge_worker.cpu.native.attention_tiles import (
    LANES,
    LISTED,
    OFFSETS,
    begin_in_span,
    end_in_span,
)
from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.memory import read_long, write_long

GROUPS_AHEAD = 4  # a run of scores; with more, groups of one head put each other out of the cache
NUM_NEXT = GROUPS_AHEAD + MAX_VECTORS  # scores look at groups that fill up a run


@inlined
def list_groups(layer: int, tile: int, scratch: int, span: int) -> None:
    """Of a span whose OFFSETS are there."""
    num_heads = read_long(tile + NUM_TASK_HEADS)
    begin, end = first_group(scratch, span), end_group(tile, scratch, span)
    place = list_heads(layer, tile, scratch, scratch + LISTED, num_heads, begin, end)
    for index in range(NUM_NEXT):
        write_long(place + 8 * index, read_long(scratch + LISTED))  # where nothing comes next
    num_next = end_group(tile, scratch, span + 1)
    if num_next > 0:
        num_heads = min(num_heads, NUM_NEXT // (2 * num_next) + 1)
        end = GROUPS_PER_SPAN + min(num_next, NUM_NEXT)
        list_heads(layer, tile, scratch, place, num_heads, GROUPS_PER_SPAN, end)


@inlined
def list_heads(
    layer: int, tile: int, scratch: int, place: int, num_heads: int, begin: int, end: int
) -> int:
    """Groups begin .. end - 1 of the tile's first heads, at a place of the list; where they end."""
    head_bytes = read_long(read_long(layer + STEP) + HEAD_BYTES)
    head_offset = read_long(tile + FIRST_HEAD) * head_bytes
    for _ in range(num_heads):
        for array in (KEYS, VALUES):
            head = read_long(layer + array) + head_offset
            for group in range(begin, end):
                write_long(place, head + read_long(scratch + OFFSETS + 8 * group))
                place += 8
        head_offset += head_bytes
    return place


@inlined
def first_group(scratch: int, span: int) -> int:
    """That the tile sees of the span."""
    group: int = begin_in_span(scratch, 0, span) // LANES
    return group


@inlined
def end_group(tile: int, scratch: int, span: int) -> int:
    last = read_long(tile + NUM_POSITIONS) - 1
    group: int = (end_in_span(scratch, last, span) + LANES - 1) // LANES
    return group


@inlined
def ahead_of_keys(tile: int, scratch: int, span: int, head: int) -> int:
    """What to fetch meanwhile: a list of addresses, one for each group of the span."""
    begin, end = first_group(scratch, span), end_group(tile, scratch, span)
    place: int = scratch + LISTED + 8 * (2 * head * (end - begin) - begin + GROUPS_AHEAD)
    return place


@inlined
def ahead_of_values(tile: int, scratch: int, span: int, head: int) -> int:
    begin, end = first_group(scratch, span), end_group(tile, scratch, span)
    place: int = ahead_of_keys(tile, scratch, span, head) + 8 * (end - begin)
    return place
