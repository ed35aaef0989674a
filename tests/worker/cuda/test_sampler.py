"""The device's sampler gives the tokens of the CPU worker's, row for row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from forge_common.sampling import SamplingParams
from forge_worker.cuda.device import Device
from forge_worker.cuda.sampler import RowStatus
from forge_worker.ops.protocol import Array
from forge_worker.sampler.sampler import ALL_RULED_OUT, NOT_FINITE, Wanted
from forge_worker.sampler.table import History
from tests.worker.cuda.arrays import on_device, to_host
from tests.worker.cuda.both_samplers import (
    Asked,
    OnDevice,
    draw_on_cpu,
    draw_on_device,
    drawn_of,
    limits_of,
    rows_on,
    wanted_of,
)
from tests.worker.fakes import sampling

ROWS = 96


def rows_of(params: dict[str, Any], num_rows: int, vocab_size: int, seed: int = 0) -> list[Asked]:
    """The same wish with other seeds, places and histories."""
    rng = np.random.default_rng(seed)
    asked = []
    for row in range(num_rows):
        history = rng.integers(0, vocab_size, int(rng.integers(2, 60))).tolist()
        num_prompt = int(rng.integers(1, len(history)))
        wish = sampling(**{"seed": int(rng.integers(0, 2**63)), **params})
        asked.append(Asked(wish, history[:num_prompt], history[num_prompt:], row % 16))
    return asked


def logits_of(num_rows: int, vocab_size: int, seed: int = 0, spread: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0, spread, (num_rows, vocab_size)).astype(np.float32)


ALONE = {
    "greedy": {"temperature": 0.0},
    "temperature 1": {"temperature": 1.0},
    "cold": {"temperature": 0.05},
    "hot": {"temperature": 100.0},
    "all but greedy": {"temperature": 2e-5},
    "top_k 1": {"top_k": 1},
    "top_k 3": {"top_k": 3},
    "top_k of the vocabulary": {"top_k": 5000},
    "top_p": {"top_p": 0.7},
    "small top_p": {"top_p": 1e-9},
    "top_p near 1": {"top_p": 0.99999},
    "min_p": {"min_p": 0.2},
    "min_p 1": {"min_p": 1.0},
    "repetition": {"repetition_penalty": 1.7},
    "encouraged repetition": {"repetition_penalty": 0.4},
    "presence": {"presence_penalty": 1.9},
    "frequency": {"frequency_penalty": -1.3},
    "bias": {"logit_bias": {0: 5.0, 3: -100.0, 4: 2.5}},
    "bad words": {"bad_words": ((1,), (2, 3), (0, 1, 4))},
    "min_tokens": {"min_tokens": 30, "eos_token_ids": (0,), "stop_token_ids": (2, 3)},
    "allowed": {"allowed_token_ids": (1, 2, 4)},
}


@pytest.mark.parametrize("vocab_size", [5, 999])
@pytest.mark.parametrize("params", ALONE.values(), ids=ALONE)
def test_each_parameter_alone_gives_the_tokens_of_the_cpu(device, params, vocab_size) -> None:
    logits, asked = logits_of(ROWS, vocab_size), rows_of(params, ROWS, vocab_size)
    assert draw_on_device(device, logits, asked) == draw_on_cpu(logits, asked)


def wish_of(rng: np.random.Generator, vocab_size: int) -> SamplingParams:
    """Each parameter asked for or not."""

    def maybe(*values: Any) -> Any:
        return values[int(rng.integers(0, len(values)))]

    def some(count: int) -> tuple[int, ...]:
        return tuple(rng.integers(0, vocab_size, count).tolist())

    return sampling(
        seed=int(rng.integers(0, 2**63)),
        temperature=maybe(0.0, 0.1, 0.7, 1.0, 1.0, 3.0, 100.0),
        top_k=maybe(None, None, 1, 2, 40, vocab_size - 1, 2**31 - 1),
        top_p=maybe(1.0, 1.0, 0.05, 0.5, 0.9, 0.999),
        min_p=maybe(0.0, 0.0, 0.02, 0.6),
        repetition_penalty=maybe(1.0, 1.0, 0.01, 1.2, 10.0),
        presence_penalty=maybe(0.0, 0.0, 1.5, -2.0),
        frequency_penalty=maybe(0.0, 0.0, 0.3, 2.0),
        logit_bias=maybe({}, {token: float(rng.normal(0, 4)) for token in some(20)}),
        bad_words=maybe((), ((int(some(1)[0]),), some(2), some(3))),
        min_tokens=maybe(0, 5, 50),
        eos_token_ids=maybe((), some(1)),
        stop_token_ids=maybe((), some(3)),
        allowed_token_ids=maybe(None, None, some(4), some(vocab_size)),
    )


def mixed_rows(num_rows: int, vocab_size: int, seed: int) -> list[Asked]:
    rng = np.random.default_rng(seed)
    asked = rows_of({}, num_rows, vocab_size, seed)
    return [one._replace(params=wish_of(rng, vocab_size)) for one in asked]


@pytest.mark.parametrize(
    ("vocab_size", "num_rows"),
    [(1, 20), (2, 100), (5, 600), (33, 600), (1001, 300), (4096, 60), (4098, 60), (32003, 24)],
)
@pytest.mark.parametrize("spread", [0.2, 4.0])
def test_any_mixture_gives_the_tokens_of_the_cpu(device, vocab_size, num_rows, spread) -> None:
    logits = logits_of(num_rows, vocab_size, seed=vocab_size, spread=spread)
    asked = mixed_rows(num_rows, vocab_size, seed=vocab_size)
    assert draw_on_device(device, logits, asked) == draw_on_cpu(logits, asked)


@pytest.mark.parametrize(("top_p", "kept"), [(0.5, {0, 1}), (np.nextafter(0.5, 1.0), {0, 1, 2})])
def test_token_that_reaches_top_p_exactly_is_the_last(device, top_p, kept) -> None:
    logits = np.zeros((60, 4), np.float32)
    asked = rows_of({"top_p": float(top_p)}, 60, 4)
    drawn = draw_on_device(device, logits, asked)
    assert set(drawn.token_ids) == kept
    assert drawn == draw_on_cpu(logits, asked)


@pytest.mark.parametrize("vocab_size", [5, 999, 5000])
def test_of_equal_logits_the_lower_tokens_are_kept(device, vocab_size) -> None:
    """Logits in steps of a half, as a model of few bits might give them, and rows of one value."""
    logits = np.round(logits_of(60, vocab_size, spread=1.0) * 2) / 2
    logits[::3] = -7.0
    asked = mixed_rows(60, vocab_size, seed=8)
    filters = [{"top_k": 7}, {"top_p": 0.3}, {"top_k": 3000, "top_p": 0.8}, {"temperature": 0.0}]
    for row, params in enumerate(filters * 10):
        asked[row] = asked[row]._replace(params=sampling(seed=row, **params))
    assert draw_on_device(device, logits, asked) == draw_on_cpu(logits, asked)


def test_zeros_of_either_sign_are_equal(device) -> None:
    logits = np.array([[-1.0, -0.0, 0.0, -0.0], [-1.0, 0.0, -0.0, 0.0]], np.float32)
    asked = rows_of({"temperature": 0.0}, 2, 4)
    assert draw_on_device(device, logits, asked).token_ids == [1, 1]


def test_tokens_at_minus_infinity_are_never_drawn(device) -> None:
    logits = logits_of(40, 70)
    logits[np.random.default_rng(1).random(logits.shape) < 0.9] = -np.inf
    logits[:, 69] = -30.0
    asked = mixed_rows(40, 70, seed=3)
    drawn = draw_on_device(device, logits, asked)
    assert drawn == draw_on_cpu(logits, asked)


def test_broken_row_fails_alone(device) -> None:
    logits, asked = logits_of(9, 40), rows_of({"temperature": 0.9, "top_p": 0.9}, 9, 40)
    sound = draw_on_device(device, logits, asked).token_ids
    logits[1, 39] = np.nan
    logits[3, 0] = -np.nan
    logits[5, 20] = np.inf
    logits[7] = -np.inf
    drawn = draw_on_device(device, logits, asked)
    assert drawn.errors == {1: NOT_FINITE, 3: NOT_FINITE, 5: NOT_FINITE, 7: ALL_RULED_OUT}
    assert drawn == draw_on_cpu(logits, asked)
    assert [drawn.token_ids[row] for row in (0, 2, 4, 6, 8)] == sound[::2]
    assert [drawn.token_ids[row] for row in (1, 3, 5, 7)] == [0, 0, 0, 0]


def test_row_whose_every_token_is_ruled_out_fails_alone(device) -> None:
    logits, asked = logits_of(2, 6), rows_of({}, 2, 6)
    asked[0] = asked[0]._replace(
        params=sampling(allowed_token_ids=(2, 3), bad_words=((2,), (3,)), temperature=1.0)
    )
    drawn = draw_on_device(device, logits, asked)
    assert drawn.errors == {0: ALL_RULED_OUT}


def test_what_is_not_a_number_may_be_ruled_out(device) -> None:
    logits, asked = logits_of(1, 50), rows_of({"allowed_token_ids": (1, 7, 8)}, 1, 50)
    logits[0, 2] = np.nan
    drawn = draw_on_device(device, logits, asked)
    assert drawn == draw_on_cpu(logits, asked)
    assert drawn.errors == {}


def test_every_schedule_of_threads_gives_the_same(schedules) -> None:
    logits, asked = logits_of(40, 4500, spread=1.0), mixed_rows(40, 4500, seed=2)
    logits[5] = np.nan
    drawn = [draw_on_device(device, logits, asked) for device in schedules]
    assert all(one == drawn[0] for one in drawn)


def test_rows_beyond_the_live_ones_are_left_alone(device) -> None:
    logits, asked = logits_of(6, 37), mixed_rows(6, 37, seed=4)
    held = OnDevice(device, limits_of(6, 37))
    for row, one in enumerate(asked):
        held.set(row, one.params, one.choice_index, one.history)
    held.flush()
    drawing = held.drawing(logits, wanted_of(asked), num_live=4)
    stale = [RowStatus.SOUND] * 4 + [RowStatus.SOUND, RowStatus.NOT_FINITE]
    drawing = drawing._replace(
        tokens=on_device(device, np.arange(6, dtype=np.int32)),
        statuses=on_device(device, np.array(stale, np.int32)),
    )
    held.sampler.sample(drawing)
    assert to_host(device, drawing.tokens)[4:].tolist() == [4, 5]
    assert to_host(device, drawing.statuses)[4:].tolist() == stale[4:]
    assert to_host(device, drawing.tokens)[:4].tolist() == draw_on_cpu(logits, asked).token_ids[:4]


def test_recorded_launches_draw_for_what_is_live_when_they_are_replayed(device) -> None:
    logits, asked = logits_of(5, 44), mixed_rows(5, 44, seed=9)
    held = OnDevice(device, limits_of(5, 44))
    drawing = held.drawing(np.zeros_like(logits), wanted_of(asked), num_live=0)
    graph = device.capture(lambda: held.sampler.sample(drawing))
    for row, one in enumerate(asked):
        held.set(row, one.params, one.choice_index, one.history)
    held.flush()
    overwrite(device, drawing.logits, logits)
    overwrite(device, drawing.counts, np.array([0, 0, 3, 0], np.int32))
    graph.launch()
    expected = draw_on_cpu(logits, asked).token_ids[:3]
    assert to_host(device, drawing.tokens).tolist() == [*expected, -1, -1]


def overwrite(device: Device, target: Array, values: np.ndarray) -> None:
    pinned = device.allocate_pinned(values.nbytes)
    pinned[:] = values.reshape(-1).view(np.uint8)
    device.upload(target, pinned)
    device.synchronize()


def test_a_row_of_the_tables_may_stand_anywhere_in_the_batch(device) -> None:
    logits, asked = logits_of(5, 60), mixed_rows(5, 60, seed=6)
    held = OnDevice(device, limits_of(9, 60))
    rows = np.array([8, 0, 3, 7, 1], np.int32)
    for row, one in zip(rows.tolist(), asked, strict=True):
        held.set(row, one.params, one.choice_index, one.history)
    held.flush()
    drawing = held.drawing(logits, wanted_of(asked)._replace(rows=rows))
    held.sampler.sample(drawing)
    assert to_host(device, drawing.tokens).tolist() == draw_on_cpu(logits, asked).token_ids


def test_raw_logits_are_left_as_they_are(device) -> None:
    logits, asked = logits_of(4, 50), mixed_rows(4, 50, seed=5)
    held = OnDevice(device, limits_of(4, 50))
    for row, one in enumerate(asked):
        held.set(row, one.params, one.choice_index, one.history)
    held.flush()
    drawing = held.drawing(logits, wanted_of(asked))
    held.sampler.sample(drawing)
    np.testing.assert_array_equal(to_host(device, drawing.logits), logits)


def test_statuses_are_those_of_the_kernels() -> None:
    assert [status.value for status in RowStatus] == [0, 1, 2]


def test_more_rows_than_there_is_memory_for_are_refused(device) -> None:
    held = OnDevice(device, limits_of(2, 8))
    drawing = held.drawing(logits_of(3, 8), wanted_of(rows_of({}, 3, 8)))
    with pytest.raises(ValueError, match="3 rows are sampled, over 2"):
        held.sampler.sample(drawing)


@pytest.mark.parametrize(
    "name", ["greedy", "top_p", "repetition", "presence", "frequency", "bad words", "min_tokens"]
)
def test_rows_behind_drafts_are_drawn_as_if_those_were_known(device, name: str) -> None:
    """Six sequences with five drafts each, from a vocabulary in which they repeat."""
    vocab_size, num_drafts, rng = 9, 5, np.random.default_rng(4)
    limits = limits_of(6, vocab_size)._replace(max_draft_tokens=63)
    held, asked, places = OnDevice(device, limits), [], []
    for row in range(6):
        wish = sampling(**{"seed": row, **ALONE[name]})
        prompt, output, drafts = (rng.integers(0, 9, size).tolist() for size in (3, row, 5))
        held.set(row, wish, row, History(prompt, output))
        word = held.tables.places.token_ids.word(row, 3 + row)
        held.ring.write(word, np.array(drafts, np.int32))
        for count in range(num_drafts + 1):
            asked.append(Asked(wish, prompt, output + drafts[:count], row))
            places.append((row, 3 + row + count, count))
    held.flush()
    logits = logits_of(len(asked), vocab_size)
    rows, lens, assumed = np.array(places).T
    drawing = held.drawing(logits, Wanted(rows, lens))
    drawing = drawing._replace(rows=rows_on(device, rows, lens, assumed))
    held.sampler.sample(drawing)
    assert drawn_of(device, drawing) == draw_on_cpu(logits, asked)


def test_row_behind_a_draft_has_a_mask_of_its_own(device) -> None:
    held = OnDevice(device, limits_of(2, 70)._replace(max_draft_tokens=3))
    wish = sampling(temperature=0.0, allowed_token_ids=(3, 5), frequency_penalty=9.0)
    held.set(1, wish, 0, History([1], []))
    masks = held.tables.places.masks
    held.ring.write(masks.word(3), np.array([1 << 5 | 1 << 7, 0, 0], np.int32))
    held.ring.write(held.tables.places.token_ids.word(1, 1), np.array([5], np.int32))
    held.flush()
    logits = np.zeros((2, 70), np.float32)
    logits[:, [3, 5, 7, 9]] = [1, 2, 1.5, 8]
    rows, lens, ahead = np.array([1, 1]), np.array([1, 2]), np.array([0, 1])
    drawing = held.drawing(logits, Wanted(rows, lens))
    drawing = drawing._replace(rows=rows_on(device, rows, lens, ahead, np.array([1, 3])))
    held.sampler.sample(drawing)
    assert drawn_of(device, drawing).token_ids == [5, 7]
