"""Philox4x32-10 (Salmon et al. 2011): random bits as a function of a counter and a key.

No state: the same counter and key give the same 128 bits in any order, on any machine. Words of 32
bits are kept in arrays of uint64, because a product of two needs 64. Knows nothing of sampling.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]  # each element below 2**32
Bits = npt.NDArray[np.uint32]

NUM_ROUNDS = 10
_MULTIPLIER_0 = np.uint64(0xD2511F53)
_MULTIPLIER_1 = np.uint64(0xCD9E8D57)
_WEYL_0 = np.uint64(0x9E3779B9)
_WEYL_1 = np.uint64(0xBB67AE85)
_LOW_WORD = np.uint64(0xFFFFFFFF)
_WORD_BITS = np.uint64(32)


class Counter(NamedTuple):
    """Four words, of any shapes that broadcast together."""

    c0: Words
    c1: Words
    c2: Words
    c3: Words


class Key(NamedTuple):
    k0: Words
    k1: Words


def split_words(values: Words) -> Key:
    """The low and the high 32 bits of 64-bit numbers."""
    return Key(values & _LOW_WORD, values >> _WORD_BITS)


def philox4x32(counter: Counter, key: Key) -> Counter:
    """Four words for each counter, of the shape the counters and keys broadcast to."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(NUM_ROUNDS):
        product_0 = c0 * _MULTIPLIER_0
        product_1 = c2 * _MULTIPLIER_1
        c0 = (product_1 >> _WORD_BITS) ^ c1 ^ k0
        c1 = product_1 & _LOW_WORD
        c2 = (product_0 >> _WORD_BITS) ^ c3 ^ k1
        c3 = product_0 & _LOW_WORD
        k0 = (k0 + _WEYL_0) & _LOW_WORD
        k1 = (k1 + _WEYL_1) & _LOW_WORD
    return Counter(c0, c1, c2, c3)
