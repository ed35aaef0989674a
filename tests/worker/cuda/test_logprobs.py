"""Logprobs of the device against the CPU worker's, and against float64."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.logprobs import CudaLogprobs, Scores, entry_of, scores_bytes, scores_in
from forge_worker.cuda.sampler import RowStatus
from forge_worker.logprobs import position_logprobs
from tests.worker.cuda.arrays import on_device, to_host

MAX_ERROR = 3e-7  # what expf may be wrong by, and what the sum leaves out


def score(device, logits: np.ndarray, chosen: list[int], num_entries: list[int]) -> Scores:
    """A host copy of the scores."""
    num_rows, vocab_size = logits.shape
    memory = device.allocate(scores_bytes(num_rows))
    ints = [on_device(device, np.array(values, np.int32)) for values in (chosen, num_entries)]
    scores = scores_in(memory, num_rows)
    CudaLogprobs(device, vocab_size).score(on_device(device, logits), *ints, scores)
    return scores_in(to_host(device, memory), num_rows)


def random_logits(num_rows: int, vocab_size: int, spread: float) -> np.ndarray:
    rng = np.random.default_rng(vocab_size)
    return rng.normal(0, spread, (num_rows, vocab_size)).astype(np.float32)


@pytest.mark.parametrize("vocab_size", [1, 5, 19, 21, 1000, 1023, 4097])
@pytest.mark.parametrize("spread", [0.0, 0.01, 3.0, 500.0])
def test_scores_equal_those_of_the_cpu(device, vocab_size, spread) -> None:
    counts = [0, 1, 20, 7, 20, 3]
    logits = random_logits(len(counts), vocab_size, spread)
    logits[4] = np.round(logits[4])  # ties
    chosen = np.random.default_rng(0).integers(0, vocab_size, len(counts))
    found = score(device, logits, chosen.tolist(), [1 + count for count in counts])
    expected = position_logprobs(logits, chosen, counts)
    for row, (one, count) in enumerate(zip(expected, counts, strict=True)):
        entry = entry_of(found, row, int(chosen[row]), count)
        assert [top.token_id for top in entry.top] == [top.token_id for top in one.top]
        logprobs = [top.logprob for top in (entry.chosen, *entry.top)]
        wanted = [top.logprob for top in (one.chosen, *one.top)]
        assert logprobs == pytest.approx(wanted, abs=MAX_ERROR, rel=0)
        assert entry.chosen.token_id == chosen[row]


def test_sum_over_a_large_vocabulary_is_as_exact(device) -> None:
    logits = random_logits(2, 128_003, 2.5)
    found = score(device, logits, [7, 128_002], [1, 21])
    wide = logits.astype(np.float64)
    totals = np.log(np.exp(wide - wide.max(axis=1, keepdims=True)).sum(axis=1)) + wide.max(axis=1)
    expected = [wide[0, 7] - totals[0], wide[1, 128_002] - totals[1]]
    assert found.chosen_logprobs.tolist() == pytest.approx(expected, abs=MAX_ERROR, rel=0)


def test_row_that_wants_nothing_is_left_alone(device) -> None:
    logits = random_logits(3, 50, 1.0)
    logits[1] = np.nan
    found = score(device, logits, [0, 0, 0], [1, 0, 1])
    assert found.statuses.tolist() == [RowStatus.SOUND, -1, RowStatus.SOUND]  # -1: the poison
    assert np.isnan(found.chosen_logprobs[1])


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.nan])
def test_row_that_is_not_finite_fails_alone(device, bad) -> None:
    logits = random_logits(4, 50, 1.0)
    logits[1, 49] = bad
    logits[2] = -np.inf
    found = score(device, logits, [0, 1, 2, 3], [4, 4, 4, 4])
    assert found.statuses.tolist() == [0, RowStatus.NOT_FINITE, RowStatus.NOT_FINITE, 0]
    (expected,) = position_logprobs(logits[3:], np.array([3]), [3])
    entry = entry_of(found, 3, 3, 3)
    assert [top.token_id for top in entry.top] == [top.token_id for top in expected.top]


def test_logits_at_minus_infinity_have_no_mass(device) -> None:
    logits = np.array([[-np.inf, 1.0, -np.inf, 1.0]], np.float32)
    found = score(device, logits, [0], [5])
    entry = entry_of(found, 0, 0, 4)
    assert entry.chosen.logprob == -np.inf
    assert [top.token_id for top in entry.top] == [1, 3, 0, 2]
    assert [top.logprob for top in entry.top[:2]] == pytest.approx([np.log(0.5)] * 2, abs=1e-15)


def test_likeliest_are_those_of_the_logits_where_differences_hide_it(device) -> None:
    logits = np.array([[1.0, 1e4, np.nextafter(np.float32(1), np.float32(2)), 1.0]], np.float32)
    assert len(set((logits - logits.max())[0].tolist())) == 2
    found = score(device, logits, [0], [5])
    assert found.top_token_ids[0, :4].tolist() == [1, 2, 0, 3]


def test_every_schedule_of_threads_gives_the_same_bits(schedules) -> None:
    logits = random_logits(3, 3000, 1.0)
    logits[1] = 0
    found = [score(device, logits, [5, 6, 7], [21, 21, 1]) for device in schedules]
    for one in found[1:]:
        for name in Scores._fields:
            np.testing.assert_array_equal(getattr(one, name), getattr(found[0], name), name)


def test_part_of_the_rows_is_scored_into_its_place(device) -> None:
    logits = random_logits(5, 60, 1.0)
    whole = score(device, logits, [0, 1, 2, 3, 4], [1, 2, 3, 4, 5])
    memory = device.allocate(scores_bytes(5))
    scores = scores_in(memory, 5)
    for part in (slice(0, 2), slice(2, 5)):
        ints = [np.arange(5, dtype=np.int32)[part], np.arange(1, 6, dtype=np.int32)[part]]
        CudaLogprobs(device, 60).score(
            on_device(device, logits[part]),
            *(on_device(device, one) for one in ints),
            scores.of(part),
        )
    found = scores_in(to_host(device, memory), 5)
    for row in range(5):
        assert entry_of(found, row, row, row) == entry_of(whole, row, row, row)


def test_place_for_other_rows_is_refused(device) -> None:
    scores = scores_in(device.allocate(scores_bytes(1)), 1)
    two = on_device(device, np.zeros(2, np.int32))
    with pytest.raises(ValueError, match="chosen_logprobs is float64"):
        CudaLogprobs(device, 8).score(
            on_device(device, np.zeros((2, 8), np.float32)), two, two, scores
        )
