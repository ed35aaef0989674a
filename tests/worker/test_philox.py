"""Philox against the vectors published with Random123 (kat_vectors, philox4x32 with 10 rounds)."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.philox import Counter, Key, philox4x32, split_words

ONES = 0xFFFFFFFF
VECTORS = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ONES,) * 4, (ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def words(*values: int) -> list[np.ndarray]:
    return [np.array([value], np.uint64) for value in values]


@pytest.mark.parametrize(("counter", "key", "expected"), VECTORS)
def test_matches_published_vectors(counter, key, expected) -> None:
    found = philox4x32(Counter(*words(*counter)), Key(*words(*key)))
    assert tuple(int(word[0]) for word in found) == expected


def test_broadcasts_counters_like_single_calls() -> None:
    counter = Counter(np.arange(9, dtype=np.uint64), *words(5, 2, 0))
    together = np.stack(philox4x32(counter, Key(*words(1, 2))))
    for i in range(9):
        single = philox4x32(Counter(*words(i, 5, 2, 0)), Key(*words(1, 2)))
        assert together[:, i].tolist() == [int(word[0]) for word in single]


def test_seed_is_split_into_low_and_high_words() -> None:
    key = split_words(np.array([0x0123456789ABCDEF], np.uint64))
    assert (int(key.k0[0]), int(key.k1[0])) == (0x89ABCDEF, 0x01234567)
