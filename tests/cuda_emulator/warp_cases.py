"""Cases of what threads of a warp or a block do together: shuffles, votes, atomics, copies."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tests.cuda_emulator.intrinsic_case import BLOCK, LANES, WARP, IntrinsicCase, Words, bits, words


def for_all(results: npt.NDArray[Any], threads: int) -> npt.NDArray[Any]:
    """The same results for every thread."""
    return np.repeat(results[:, None], threads, axis=1)


def shuffles(random: np.random.Generator) -> list[IntrinsicCase]:
    given = np.stack([words(random, WARP), random.integers(0, WARP, WARP, np.uint32)])
    value, lane = given[0], given[1].astype(int)

    def shifted(distance: int, width: int) -> Words:
        """From the lane so much further on; from itself where that leaves the segment."""
        source = LANES + distance
        moved: Words = value[np.where(source // width == LANES // width, source, LANES)]
        return moved

    expected = [
        value[lane],
        value[LANES // 8 * 8 + lane % 8],
        value[LANES ^ 5],
        shifted(-3, 32),
        shifted(-3, 16),
        shifted(7, 32),
        shifted(7, 16),
    ]
    halves = value.copy()
    halves[:16] += halves[LANES ^ 1][:16]
    halves[:16] += halves[LANES ^ 2][:16]
    halves[16:] += value[LANES ^ 8][16:]
    return [
        IntrinsicCase("shuffles", WARP, given, np.stack(expected)),
        IntrinsicCase("shuffles_of_halves", WARP, value[None], np.stack([halves, halves[::-1]])),
    ]


def votes(random: np.random.Generator) -> list[IntrinsicCase]:
    is_set = random.integers(0, 2, WARP, np.uint32)
    powers = np.uint32(1) << LANES.astype(np.uint32)
    ballot = (is_set * powers).sum(dtype=np.uint32)
    of_even_lanes = (is_set * powers)[::2].sum(dtype=np.uint32)
    results = for_all(np.array([ballot, 1, 0, 0, 1], np.uint32), WARP)
    after_return = np.where(LANES % 2 == 0, of_even_lanes, 0).astype(np.uint32)
    in_block = random.integers(0, 2, BLOCK, np.uint32)
    in_block[:2] = 0, 1
    block_votes = np.array([1, 0, in_block.sum()], np.uint32)
    return [
        IntrinsicCase("votes", WARP, is_set[None], results),
        IntrinsicCase("vote_after_return", WARP, is_set[None], after_return[None]),
        IntrinsicCase("block_votes", BLOCK, in_block[None], for_all(block_votes, BLOCK)),
    ]


def matches(random: np.random.Generator) -> list[IntrinsicCase]:
    value = random.integers(0, 5, WARP, np.uint32)
    powers = np.uint32(1) << LANES.astype(np.uint32)
    same = ((value[:, None] == value) * powers).sum(axis=1, dtype=np.uint32)
    of_upper_half = np.where(LANES >= 16, same & np.uint32(0xFFFF0000), 0).astype(np.uint32)
    return [IntrinsicCase("matches", WARP, value[None], np.stack([same, of_upper_half]))]


def atomics(random: np.random.Generator) -> list[IntrinsicCase]:
    value = words(random, BLOCK) | np.uint32(0x100)
    value &= np.uint32(0xFFFFFFFE)
    results = np.array(
        [
            value.sum(dtype=np.uint32),
            value.max(),
            value.min(),
            np.bitwise_or.reduce(value),
            np.bitwise_and.reduce(value),
            bits((value % 16).sum()).item(),
            BLOCK % 100,  # counted from 0 to 99 and again
            (value % 256).sum(),
        ],
        np.uint32,
    )
    return [IntrinsicCase("block_atomics", BLOCK, value[None], for_all(results, BLOCK))]


def reductions(random: np.random.Generator) -> list[IntrinsicCase]:
    """Of whole numbers, whose sums are exact in any order."""
    warp = random.integers(-1000, 1000, (1, WARP)).astype(np.float32)
    block = random.integers(-1000, 1000, (2, BLOCK)).astype(np.float32)
    of_warp = np.array([warp.sum(), warp.max()], np.float32)
    of_block = np.array([*block.sum(axis=1), block[0].max()], np.float32)
    return [
        IntrinsicCase("warp_reductions", WARP, bits(warp), for_all(of_warp, WARP)),
        IntrinsicCase("block_reductions", BLOCK, bits(block), for_all(of_block, BLOCK)),
    ]


def copies(random: np.random.Generator) -> list[IntrinsicCase]:
    given = words(random, WARP, 4)
    of_even = np.where(LANES[:, None] % 2 == 0, given, 0).astype(np.uint32)
    expected = np.stack([given[LANES ^ 1], of_even[LANES ^ 1]])
    narrow = np.ascontiguousarray(given[:, :2])
    of_neighbour = np.where(LANES[:, None] % 2 == 1, narrow[LANES ^ 1], 0).astype(np.uint32)
    return [
        IntrinsicCase("async_copies", WARP, given, expected),
        IntrinsicCase("async_copies_of_8", WARP, narrow, of_neighbour),
    ]
