"""Kernel code of one block of rows of a tile against one span of keys.

The rows of a block see mostly the same lanes of a span. Those are summed for all rows together,
what only some of them see before and after for each row alone, so that every row adds exactly the
lanes that it sees, in order. Knows no tasks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from forge_worker.cpu.native.attention_fetching import (
    ahead_of_keys,
    ahead_of_values,
)
from forge_worker.cpu.native.attention_ir import (
    GROUP_SCORES_BYTES,
    MAX_BLOCK_ROWS,
    SCORES_STRIDE,
    SUMS_STRIDE,
)
from forge_worker.cpu.native.attention_products import (
    call_scores,
    call_sums,
)
from forge_worker.cpu.native.attention_records import (
    FIRST_HEAD,
    HEAD_BYTES,
    HEAD_DIM,
    KEYS,
    NUM_POSITIONS,
    SCORE_CAP,
    SCORES_FUNCTION,
    STEP,
    SUMS_FUNCTION,
    VALUES,
)
from forge_worker.cpu.native.attention_tiles import (
    GROUP_LANES,
    LANES,
    MASS_BYTES,
    OFFSETS,
    SCORES,
    SPAN_MASSES,
    SPAN_SUMS,
    begin_in_span,
    compiled_rows,
    end_in_span,
    group_size,
    masses_at,
    queries_at,
    rows_of_head,
    sums_at,
)
from forge_worker.cpu.native.elementwise import clear_row
from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.lanes import load16, mul16, store16
from forge_worker.cpu.native.memory import read_float, read_long
from forge_worker.cpu.native.softmax import cap_scores, hide_lanes, merge, weigh

KernelCode = Callable[..., None]


class BlockCode(NamedTuple):
    """What the code depends on."""

    has_cap: bool  # scores are bounded by a tanh
    has_scales: bool  # cached bytes have scales behind them


def make_attend_block(code: BlockCode) -> KernelCode:
    weigh_row = _weighing(code)

    @inlined
    def attend_block(
        layer: int, tile: int, scratch: int, span: int, head: int, first_row: int
    ) -> None:
        """Rows of a key head of the tile from `first_row`: score, weigh, sum, merge."""
        step = read_long(layer + STEP)
        group = group_size(step)
        num_rows = min(MAX_BLOCK_ROWS, read_long(tile + NUM_POSITIONS) * group - first_row)
        first, last = first_row // group, (first_row + num_rows - 1) // group
        begin, end = begin_in_span(scratch, first, span), end_in_span(scratch, last, span)
        if begin >= end:
            return
        head_offset = (read_long(tile + FIRST_HEAD) + head) * read_long(step + HEAD_BYTES)
        values = read_long(layer + VALUES) + head_offset
        row = head * rows_of_head(step, tile) + first_row
        begin_group, end_group = begin // LANES, (end + LANES - 1) // LANES
        ahead = ahead_of_values(tile, scratch, span, head)
        call_scores(
            read_long(step + SCORES_FUNCTION),
            compiled_rows(num_rows),
            end_group - begin_group,
            queries_at(step, scratch, row),
            read_long(layer + KEYS) + head_offset,
            scratch + OFFSETS + 8 * begin_group,
            ahead_of_keys(tile, scratch, span, head) + 8 * begin_group,
            scratch + SCORES + begin_group * GROUP_SCORES_BYTES,
            read_long(step + HEAD_DIM),
        )
        # Lanes that all rows see; none where a row sees nothing of the span.
        begin, end = begin_in_span(scratch, last, span), end_in_span(scratch, first, span)
        end = max(begin, end)
        for index in range(num_rows):
            position = (first_row + index) // group
            low, high = begin_in_span(scratch, position, span), end_in_span(scratch, position, span)
            clear_row(scratch + SPAN_SUMS + index * SUMS_STRIDE, read_long(step + HEAD_DIM))
            if low < high:
                weigh_row(step, scratch, values, index, low, high)
                add_lanes(step, scratch, values, ahead, index, 1, low, min(begin, high))
        add_lanes(step, scratch, values, ahead, 0, compiled_rows(num_rows), begin, end)
        for index in range(num_rows):
            position = (first_row + index) // group
            low, high = begin_in_span(scratch, position, span), end_in_span(scratch, position, span)
            if low < high:
                add_lanes(step, scratch, values, ahead, index, 1, max(end, low), high)
                merge_row(step, scratch, index, row + index)

    return attend_block


@inlined
def add_lanes(
    step: int,
    scratch: int,
    values: int,
    ahead: int,
    row: int,
    num_rows: int,
    begin: int,
    end: int,
) -> None:
    """Add the weighted values of lanes begin .. end - 1 to the span's sums of rows from `row`."""
    lane = begin
    while lane < end:
        group, first_lane = lane // LANES, lane % LANES
        end_lane = min(end - group * LANES, read_long(scratch + GROUP_LANES + 8 * group))
        end_group = group + 1
        if first_lane == 0 and end_lane == LANES:
            end_group = end_of_full_groups(scratch, end_group, end // LANES)
        if first_lane < end_lane:
            call_sums(
                read_long(step + SUMS_FUNCTION),
                num_rows,
                group,
                end_group,
                first_lane,
                end_lane,
                scratch + SCORES + row * SCORES_STRIDE,
                values,
                scratch + OFFSETS,
                ahead,
                scratch + SPAN_SUMS + row * SUMS_STRIDE,
                read_long(step + HEAD_DIM),
            )
        lane = end_group * LANES


@inlined
def end_of_full_groups(scratch: int, group: int, end_group: int) -> int:
    """The first group from `group` on that has lanes without a token, or else `end_group`."""
    while group < end_group and read_long(scratch + GROUP_LANES + 8 * group) == LANES:
        group += 1
    return group


@inlined
def merge_row(step: int, scratch: int, index: int, row: int) -> None:
    """What row `index` of the block attended to in the span, into the tile's `row`."""
    merge(
        sums_at(step, scratch, row),
        masses_at(scratch, row),
        scratch + SPAN_SUMS + index * SUMS_STRIDE,
        scratch + SPAN_MASSES + index * MASS_BYTES,
        read_long(step + HEAD_DIM),
    )


def _weighing(code: BlockCode) -> KernelCode:
    has_cap, has_scales = code

    @inlined
    def weigh_row(step: int, scratch: int, values: int, row: int, begin: int, end: int) -> None:
        """Weights of the lanes begin .. end - 1 of a span, in place of their scores."""
        first, end_group = begin // LANES, (end - 1) // LANES + 1
        scores = scratch + SCORES + row * SCORES_STRIDE
        if has_cap:
            cap = read_float(step + SCORE_CAP)
            cap_scores(scores + first * GROUP_SCORES_BYTES, end_group - first, cap)
        for group in range(first, end_group):
            low = max(begin - group * LANES, 0)
            high = min(end - group * LANES, read_long(scratch + GROUP_LANES + 8 * group))
            if low > 0 or high < LANES:
                hide_lanes(scores + group * GROUP_SCORES_BYTES, low, high)
        mass = scratch + SPAN_MASSES + row * MASS_BYTES
        weigh(scores + first * GROUP_SCORES_BYTES, end_group - first, mass)
        if has_scales:
            scale_weights(step, scratch, values, scores, first, end_group)

    return weigh_row


@inlined
def scale_weights(
    step: int, scratch: int, values: int, weights: int, first: int, end_group: int
) -> None:
    """Weights of stored bytes: those of the values times the values' scales."""
    scales = values + read_long(step + HEAD_DIM) * LANES
    for group in range(first, end_group):
        place = weights + group * GROUP_SCORES_BYTES
        group_scales = load16(scales + read_long(scratch + OFFSETS + 8 * group))
        store16(place, mul16(load16(place), group_scales))
