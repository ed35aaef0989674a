"""Runs of words reach their places, in order, however many there are."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda import upload
from forge_worker.cuda.device_tables import STAGING_WORDS
from forge_worker.cuda.upload import MAX_RUN_WORDS, NUM_BUFFERS
from tests.worker.cuda.arrays import to_host
from tests.worker.cuda.both_samplers import OnDevice, limits_of

LIMITS = limits_of(num_rows=4, vocab_size=40, max_model_len=2**17)


@pytest.fixture
def held(device) -> OnDevice:
    return OnDevice(device, LIMITS)


def some_words(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-(2**31), 2**31, count).astype(np.int32)


def test_nothing_is_changed_before_the_flush(held) -> None:
    held.ring.write(3, some_words(5))
    assert not to_host(held.device, held.tables.words)[:16].any()


def test_runs_arrive_where_they_belong_and_nowhere_else(held) -> None:
    expected = np.zeros(held.tables.places.staging.first_word, np.int32)
    for seed, (target, count) in enumerate([(0, 1), (7, 300), (1000, MAX_RUN_WORDS + 1), (2, 3)]):
        words = some_words(count, seed)
        held.ring.write(target, words)
        expected[target : target + count] = words
    held.ring.flush()
    np.testing.assert_array_equal(
        to_host(held.device, held.tables.words)[: len(expected)], expected
    )


def test_words_may_be_floats(held) -> None:
    held.ring.write(8, np.array([1.5, -2.0], np.float32))
    held.ring.flush()
    found = to_host(held.device, held.tables.words)[8:10].view(np.float32)
    assert found.tolist() == [1.5, -2.0]


def test_the_last_of_overlapping_runs_stands(held) -> None:
    for first in (40, 10, 44, 30):
        held.ring.write(first, np.arange(first, first + 20, dtype=np.int32) * first)
    held.ring.flush()
    found = to_host(held.device, held.tables.words)[10:64]
    assert found[:20].tolist() == [place * 10 for place in range(10, 30)]
    assert found[20:40].tolist() == [place * 30 for place in range(30, 50)]
    assert found[40:].tolist() == [place * 44 for place in range(50, 64)]


def test_more_than_a_buffer_holds_goes_in_several_flushes(held) -> None:
    words = some_words(3 * STAGING_WORDS // 2)
    held.ring.write(0, words)
    held.ring.flush()
    np.testing.assert_array_equal(to_host(held.device, held.tables.words)[: len(words)], words)


def test_many_small_runs_fill_a_buffer_too(held) -> None:
    count = STAGING_WORDS // 4 + 5  # each takes one word and three to say where it goes
    words = some_words(count)
    for place in range(count):
        held.ring.write(2 * place, words[place : place + 1])
    held.ring.flush()
    found = to_host(held.device, held.tables.words)[: 2 * count : 2]
    np.testing.assert_array_equal(found, words)


def test_buffer_is_waited_for_before_it_is_written_again(held, monkeypatch) -> None:
    waited = []

    class Watched:
        def __init__(self, number: int) -> None:
            self.number = number

        def is_done(self) -> bool:
            return True

        def wait(self) -> None:
            waited.append(self.number)

    events = iter(range(100))
    monkeypatch.setattr(held.device, "record", lambda: Watched(next(events)))
    for _ in range(NUM_BUFFERS + 2):
        held.ring.write(0, some_words(2))
        held.ring.flush()
    assert waited == [0, 1]


def test_flush_of_nothing_queues_nothing(held, monkeypatch) -> None:
    monkeypatch.setattr(held.device, "upload", None)
    held.ring.flush()


def test_runs_are_as_long_as_the_kernel_has_them() -> None:
    assert upload.RUN_WORDS == 3
