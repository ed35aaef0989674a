"""Tiles of block formats, filled from rows of ggml's blocks, and read back a row at a time.

    rows    16 of them as a GGUF file has them (layouts in forge_worker/quantization)
    tile    as block_codes.py says; Q8_0's as gemm_q8_0.py says

Nothing is rounded: the same numbers and scales stand elsewhere. Four columns go together as a word,
a byte each. Knows no files, no tasks.
"""

from __future__ import annotations

from forge_worker.cpu.native.block_codes import (
    HALF_BYTES,
    LINE,
    NIBBLES,
    Q4_0_BYTES,
    Q4_K_BYTES,
    Q5_BLOCK,
    Q5_K_BYTES,
    Q6_BLOCK,
    Q6_K_BYTES,
    SUPER_BLOCKS,
)
from forge_worker.cpu.native.gemm_q8_0 import BLOCK_BYTES as Q8_0_BYTES
from forge_worker.cpu.native.gemm_q8_0 import SCALES_AT as Q8_0_SCALES_AT
from forge_worker.cpu.native.kernel import inlined
from forge_worker.cpu.native.memory import (
    read_byte,
    read_float,
    read_half,
    read_word,
    write_byte,
    write_float,
    write_half,
    write_word,
)
from forge_worker.cpu.native.tiles import BLOCK, TILE_ROWS

FOURS = BLOCK // 4
SUPER = 256
Q4_0_ROW, Q8_0_ROW, Q4_K_ROW, Q5_K_ROW, Q6_K_ROW = 18, 34, 144, 176, 210  # bytes of ggml's blocks
LOW, HIGH = 0x0F0F0F0F, 0xF0F0F0F0
ONES, TWOS = 0x01010101, 0x03030303
SIGNS = 0x80808080
SCALES_AT = SUPER_BLOCKS * TILE_ROWS  # bytes of a plane of scales


@inlined
def fill_q8_0_blocks(rows: int, length: int, tile: int) -> None:
    num_blocks = length // BLOCK
    for block in range(num_blocks):
        to = tile + Q8_0_BYTES * block
        for lane in range(TILE_ROWS):
            source = rows + (lane * num_blocks + block) * Q8_0_ROW
            write_half(to + Q8_0_SCALES_AT + 2 * lane, read_half(source))
            for four in range(FOURS):
                word = read_word(source + 2 + 4 * four) ^ SIGNS
                write_word(to + LINE * four + 4 * lane, word)


@inlined
def fill_q4_0(rows: int, length: int, tile: int) -> None:
    num_blocks = length // BLOCK
    for block in range(num_blocks):
        scales, numbers = q4_0_scales(tile, block), q4_0_numbers(tile, block)
        for lane in range(TILE_ROWS):
            source = rows + (lane * num_blocks + block) * Q4_0_ROW
            write_half(scales + 2 * lane, read_half(source))
            for line in range(2):
                first = read_word(source + 2 + 8 * line)
                second = read_word(source + 6 + 8 * line)
                low = numbers + LINE * line + 4 * lane
                write_word(low, (first & LOW) | ((second & LOW) << 4))
                write_word(low + 2 * LINE, ((first >> 4) & LOW) | (second & HIGH))


@inlined
def q4_0_scales(tile: int, block: int) -> int:
    return tile + block // 2 * Q4_0_BYTES + block % 2 * HALF_BYTES


@inlined
def q4_0_numbers(tile: int, block: int) -> int:
    return tile + block // 2 * Q4_0_BYTES + LINE + block % 2 * NIBBLES


@inlined
def fill_q4_k(rows: int, length: int, tile: int) -> None:
    for index in range(length // SUPER):
        to = tile + index * Q4_K_BYTES
        for lane in range(TILE_ROWS):
            source = rows + (lane * (length // SUPER) + index) * Q4_K_ROW
            fill_group_scales(source, to + SUPER_BLOCKS * NIBBLES, lane)
            for pair in range(SUPER_BLOCKS // 2):
                low = to + 2 * pair * NIBBLES + 4 * lane
                fill_two_blocks(source + 16 + BLOCK * pair, low, NIBBLES)


@inlined
def fill_q5_k(rows: int, length: int, tile: int) -> None:
    for index in range(length // SUPER):
        to = tile + index * Q5_K_BYTES
        for lane in range(TILE_ROWS):
            source = rows + (lane * (length // SUPER) + index) * Q5_K_ROW
            fill_group_scales(source, to + SUPER_BLOCKS * Q5_BLOCK, lane)
            for pair in range(SUPER_BLOCKS // 2):
                low = to + 2 * pair * Q5_BLOCK + 4 * lane
                fill_two_blocks(source + 48 + BLOCK * pair, low, Q5_BLOCK)
            for block in range(SUPER_BLOCKS):
                fifth = 0
                for four in range(FOURS):
                    bits = (read_word(source + 16 + 4 * four) >> block) & ONES
                    fifth |= bits << four
                write_word(to + block * Q5_BLOCK + NIBBLES + 4 * lane, fifth)


@inlined
def fill_two_blocks(source: int, low: int, block_bytes: int) -> None:
    """Of 64 columns: ggml's low halves are the first 32, its high halves the others."""
    for line in range(4):
        first, second = read_word(source + 8 * line), read_word(source + 8 * line + 4)
        place = low + LINE * line
        write_word(place, (first & LOW) | ((second & LOW) << 4))
        write_word(place + block_bytes, ((first >> 4) & LOW) | (second & HIGH))


@inlined
def fill_group_scales(source: int, to: int, lane: int) -> None:
    """Six bits of 12 bytes, as bytes; and the units."""
    for group in range(4):
        scale, least = read_byte(source + 4 + group), read_byte(source + 8 + group)
        last = read_byte(source + 12 + group)
        place = to + TILE_ROWS * group + lane
        later = place + 4 * TILE_ROWS
        write_byte(place, scale & 63)
        write_byte(place + SCALES_AT, least & 63)
        write_byte(later, (last & 15) | ((scale >> 6) << 4))
        write_byte(later + SCALES_AT, (last >> 4) | ((least >> 6) << 4))
    write_half(to + 2 * SCALES_AT + 2 * lane, read_half(source))
    write_half(to + 2 * SCALES_AT + HALF_BYTES + 2 * lane, read_half(source + 2))


@inlined
def fill_q6_k(rows: int, length: int, tile: int) -> None:
    for index in range(length // SUPER):
        to = tile + index * Q6_K_BYTES
        for lane in range(TILE_ROWS):
            source = rows + (lane * (length // SUPER) + index) * Q6_K_ROW
            for block in range(SUPER_BLOCKS):
                fill_six_bits(source, to + block * Q6_BLOCK + 4 * lane, block)
            scales = to + SUPER_BLOCKS * Q6_BLOCK
            for group in range(2 * SUPER_BLOCKS):
                write_byte(scales + TILE_ROWS * group + lane, read_byte(source + 192 + group))
            write_float(to + Q6_K_BYTES - LINE + 4 * lane, read_half(source + 208))


@inlined
def fill_six_bits(source: int, to: int, block: int) -> None:
    """ggml packs each 128 columns by themselves: `part` is the block's place among four."""
    half, part = block // 4, block % 4
    low = source + 64 * half + 32 * (part % 2)
    upper = source + 128 + 32 * half
    for line in range(4):
        first = read_word(low + 8 * line) >> (4 * (part // 2)) & LOW
        second = read_word(low + 8 * line + 4) >> (4 * (part // 2)) & LOW
        write_word(to + LINE * line, first | (second << 4))
    for line in range(2):
        bits = 0
        for four in range(4):
            word = read_word(upper + 4 * (4 * line + four))
            bits |= ((word >> (2 * part)) & TWOS) << (2 * four)
        write_word(to + NIBBLES + LINE * line, bits)


@inlined
def nibble(block: int, lane: int, column: int) -> int:
    """Of a block of a tile, in units."""
    byte = read_byte(block + LINE * (column // 8) + 4 * lane + column % 4)
    return (byte >> 4 * (column // 4 % 2)) & 15  # type: ignore[no-any-return]


@inlined
def read_q4_0(tile: int, lane: int, length: int, out: int) -> None:
    for block in range(length // BLOCK):
        scale = read_half(q4_0_scales(tile, block) + 2 * lane)
        for column in range(BLOCK):
            number = nibble(q4_0_numbers(tile, block), lane, column) - 8
            write_float(out + 4 * (BLOCK * block + column), number * scale)


@inlined
def read_q4_k(tile: int, lane: int, length: int, out: int) -> None:
    for block in range(length // BLOCK):
        first = tile + block // SUPER_BLOCKS * Q4_K_BYTES
        numbers = first + block % SUPER_BLOCKS * NIBBLES
        units = first + SUPER_BLOCKS * NIBBLES
        scale, least = group_scale(units, 0, block, lane), group_scale(units, 1, block, lane)
        for column in range(BLOCK):
            number = nibble(numbers, lane, column) * scale - least
            write_float(out + 4 * (BLOCK * block + column), number)


@inlined
def read_q5_k(tile: int, lane: int, length: int, out: int) -> None:
    for block in range(length // BLOCK):
        first = tile + block // SUPER_BLOCKS * Q5_K_BYTES
        numbers = first + block % SUPER_BLOCKS * Q5_BLOCK
        units = first + SUPER_BLOCKS * Q5_BLOCK
        scale, least = group_scale(units, 0, block, lane), group_scale(units, 1, block, lane)
        for column in range(BLOCK):
            fifth = read_byte(numbers + NIBBLES + 4 * lane + column % 4) >> (column // 4) & 1
            number = (nibble(numbers, lane, column) | fifth << 4) * scale - least
            write_float(out + 4 * (BLOCK * block + column), number)


@inlined
def group_scale(units: int, which: int, block: int, lane: int) -> float:
    """Of a block: its scale, or its least value."""
    place = units + SCALES_AT * which + TILE_ROWS * (block % SUPER_BLOCKS)
    unit = read_half(units + 2 * SCALES_AT + HALF_BYTES * which + 2 * lane)
    return read_byte(place + lane) * unit  # type: ignore[no-any-return]


@inlined
def read_q6_k(tile: int, lane: int, length: int, out: int) -> None:
    for block in range(length // BLOCK):
        first = tile + block // SUPER_BLOCKS * Q6_K_BYTES
        numbers = first + block % SUPER_BLOCKS * Q6_BLOCK
        scales = first + SUPER_BLOCKS * Q6_BLOCK + 2 * TILE_ROWS * (block % SUPER_BLOCKS)
        unit = read_float(first + Q6_K_BYTES - LINE + 4 * lane)
        for column in range(BLOCK):
            four = column // 4
            upper = numbers + NIBBLES + LINE * (four // 4) + 4 * lane + column % 4
            bits = read_byte(upper) >> (2 * (four % 4)) & 3
            steps = read_byte(scales + TILE_ROWS * (column // 16) + lane)
            scale = ((steps ^ 128) - 128) * unit
            number = (nibble(numbers, lane, column) | bits << 4) - 32
            write_float(out + 4 * (BLOCK * block + column), number * scale)
