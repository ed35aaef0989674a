"""The kernel between projections and attention: norm heads, rotate them, store keys and values.

Works on rows of joined q|k|v in place: queries and keys are normalised, if the model's heads are,
and rotated; keys and values then go to the tokens' slots of the cache. Dimensions beyond the
rotation's tables stay as they are. A task is some tokens. Knows no attention.
"""

from __future__ import annotations

import math

from forge_worker.cpu.native.attention_records import (
    BLOCK_BYTES,
    BLOCK_SIZE,
    COS,
    GROUP_BYTES,
    HEAD_BYTES,
    HEAD_DIM,
    KEY_NORM,
    KEY_NORM_BYTES,
    KEYS,
    NORM_EPSILON,
    NUM_HEADS,
    NUM_KV_HEADS,
    NUM_TOKENS,
    QUERIES,
    QUERY_NORM,
    QUERY_NORM_BYTES,
    ROPE,
    ROTARY_DIM,
    ROW_STRIDE,
    SIN,
    SLOTS,
    STEP,
    TABLE_ROWS,
    TOKENS_PER_STORE,
    VALUES,
)
from forge_worker.cpu.native.elementwise import rotate_row, scale_by_weights, sum_of_squares
from forge_worker.cpu.native.kernel import KernelFunction, inlined
from forge_worker.cpu.native.kv_layout import LANES
from forge_worker.cpu.native.kv_numbers import KVNumbers, RowWriter, make_row_writer
from forge_worker.cpu.native.memory import read_float, read_int, read_long


def rotate_and_store_kernel(numbers: KVNumbers) -> KernelFunction:
    store_rows = _storing(numbers, make_row_writer(numbers))

    def rotate_and_store(layer: int, task: int, scratch: int) -> None:
        step = read_long(layer + STEP)
        first = task * read_long(step + TOKENS_PER_STORE)
        end = min(first + read_long(step + TOKENS_PER_STORE), read_long(step + NUM_TOKENS))
        for token in range(first, end):
            row = read_long(layer + QUERIES) + token * read_long(layer + ROW_STRIDE)
            norm_heads(layer, row)
            rotate_heads(layer, token, row)
            store_rows(layer, token, row)

    return rotate_and_store


@inlined
def norm_heads(layer: int, row: int) -> None:
    """Of the queries and then the keys of a token."""
    step = read_long(layer + STEP)
    keys = row + read_long(step + NUM_HEADS) * read_long(step + HEAD_DIM) * 4
    end = keys + read_long(step + NUM_KV_HEADS) * read_long(step + HEAD_DIM) * 4
    epsilon = read_float(layer + NORM_EPSILON)
    weights, width_bytes = read_long(layer + QUERY_NORM), read_long(layer + QUERY_NORM_BYTES)
    if width_bytes > 0:
        norm_pieces(row, keys, weights, width_bytes, epsilon)
    weights, width_bytes = read_long(layer + KEY_NORM), read_long(layer + KEY_NORM_BYTES)
    if width_bytes > 0:
        norm_pieces(keys, end, weights, width_bytes, epsilon)


@inlined
def norm_pieces(begin: int, end: int, weights: int, width_bytes: int, epsilon: float) -> None:
    """Each piece as wide as the weights becomes x / sqrt(mean(x²) + epsilon) · weights."""
    width = width_bytes // 4
    for x in range(begin, end, width_bytes):
        factor = 1.0 / math.sqrt(sum_of_squares(x, width) / width + epsilon)
        scale_by_weights(x, weights, width, factor)


@inlined
def rotate_heads(layer: int, token: int, row: int) -> None:
    """The queries and keys of a token."""
    step, rope = read_long(layer + STEP), read_long(layer + ROPE)
    head_bytes, rotary_dim = read_long(step + HEAD_DIM) * 4, read_long(rope + ROTARY_DIM)
    place = read_int(read_long(rope + TABLE_ROWS) + 4 * token) * rotary_dim * 4
    cos, sin = read_long(rope + COS) + place, read_long(rope + SIN) + place
    for head in range(read_long(step + NUM_HEADS) + read_long(step + NUM_KV_HEADS)):
        rotate_row(row + head * head_bytes, cos, sin, rotary_dim // 2)


def _storing(numbers: KVNumbers, writer: RowWriter) -> KernelFunction:
    num_bytes, line_bytes = numbers.num_bytes, numbers.num_bytes * LANES
    write, scatter, factor_of = writer

    @inlined
    def store_rows(layer: int, token: int, row: int) -> None:
        """The keys and values of a token, behind its queries in `row`, to its slot."""
        step = read_long(layer + STEP)
        head_dim, num_kv_heads = read_long(step + HEAD_DIM), read_long(step + NUM_KV_HEADS)
        slot = read_long(read_long(step + SLOTS) + 8 * token)
        block_size = read_long(step + BLOCK_SIZE)
        place = slot % block_size
        offset = slot // block_size * read_long(step + BLOCK_BYTES)
        offset += place // LANES * read_long(step + GROUP_BYTES)
        place %= LANES
        scale_place = head_dim * line_bytes + 4 * place
        key = row + read_long(step + NUM_HEADS) * head_dim * 4
        value = key + num_kv_heads * head_dim * 4
        for _ in range(num_kv_heads):
            keys, values = read_long(layer + KEYS) + offset, read_long(layer + VALUES) + offset
            factor = factor_of(key, head_dim, keys + scale_place)
            scatter(keys + place * num_bytes, key, head_dim, line_bytes, factor)
            factor = factor_of(value, head_dim, values + scale_place)
            write(values + place * head_dim * num_bytes, value, head_dim, factor)
            key, value = key + head_dim * 4, value + head_dim * 4
            offset += read_long(step + HEAD_BYTES)

    return store_rows
