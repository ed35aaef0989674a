"""Integers come out of words in the order of their bits."""

from __future__ import annotations

import numpy as np

from forge_worker.quantization.packed.words import integers_in


def test_first_integer_is_in_the_lowest_bits() -> None:
    words = np.array([[0x76543210], [-0x01234568]], np.int32)
    assert integers_in(words, 4)[0].tolist() == [0, 1, 2, 3, 4, 5, 6, 7]
    assert integers_in(words, 4)[1].tolist() == [8, 9, 10, 11, 12, 13, 14, 15]
    assert integers_in(words, 8)[0].tolist() == [0x10, 0x32, 0x54, 0x76]


def test_words_may_lie_anyhow_and_stay_as_they_are() -> None:
    words = np.arange(6, dtype=np.int32).reshape(2, 3).T
    integers = integers_in(words, 8)
    integers[:] = 0
    assert words.tolist() == [[0, 3], [1, 4], [2, 5]]
