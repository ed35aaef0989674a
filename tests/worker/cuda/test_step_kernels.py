"""A step's tokens, positions and slots are found on the device, and what it samples is fed on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest

from forge_worker.cuda.device_step import DeviceStep, StepShape
from forge_worker.cuda.sampler import RowStatus
from forge_worker.sampler.table import History
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.both_samplers import OnDevice, limits_of, rows_on
from tests.worker.fakes import sampling

IN_PROMPT = 0x8000
MAX_OUTPUTS = 0x7FFF
LIMITS = limits_of(num_rows=7, vocab_size=51, max_model_len=40)._replace(block_size=4)


class Chunk(NamedTuple):
    row: int
    num_computed: int
    num_scheduled: int


@pytest.fixture
def held(device) -> OnDevice:
    """Every row full of random tokens and blocks."""
    held = OnDevice(device, LIMITS)
    rng = np.random.default_rng(0)
    tables = held.tables
    tokens = rng.integers(0, 51, tables.token_ids.shape).astype(np.int32)
    blocks = rng.integers(0, 64, tables.block_tables.shape).astype(np.int32)
    held.ring.write(tables.places.token_ids.first_word, tokens.reshape(-1))
    held.ring.write(tables.places.block_tables.first_word, blocks.reshape(-1))
    held.ring.flush()
    return held


def step_of(held: OnDevice, chunks: list[Chunk], num_padded: int) -> DeviceStep:
    """`num_padded` tokens and sequences that are not live."""
    device = held.device
    starts = np.cumsum([0, *(chunk.num_scheduled for chunk in chunks)])
    lens = [chunk.num_computed + chunk.num_scheduled for chunk in chunks]
    padding = [9999] * num_padded
    num_tokens = int(starts[-1]) + num_padded
    shape = StepShape(num_tokens, len(chunks) + num_padded, 0, 0, 0)

    def ints(values: list[int]) -> np.ndarray:
        return on_device(device, np.array(values, np.int32))

    return DeviceStep(
        shape=shape,
        counts=ints([int(starts[-1]), len(chunks), 0, 0]),
        token_ids=empty_on(device, (num_tokens,), np.int32),
        positions=empty_on(device, (num_tokens,), np.int32),
        slots=empty_on(device, (num_tokens,), np.int64),
        sequence_rows=ints([chunk.row for chunk in chunks] + padding),
        query_starts=ints(starts.tolist() + padding),
        context_lens=ints(lens + padding),
        block_tables=held.tables.block_tables,
        singles=ints([]),
        tiles=ints([]),
        logit_rows=ints([]),
    )


@pytest.mark.parametrize("num_padded", [0, 1, 300])
@pytest.mark.parametrize(
    "chunks",
    [
        [Chunk(3, 0, 1)],
        [Chunk(6, 0, 40)],
        [Chunk(5, 39, 1), Chunk(0, 0, 7), Chunk(2, 4, 4), Chunk(6, 3, 1), Chunk(1, 11, 29)],
    ],
)
def test_tokens_positions_and_slots_follow_the_chunks(held, chunks, num_padded) -> None:
    step = step_of(held, chunks, num_padded)
    held.kernels.expand(step)
    tokens = to_host(held.device, held.tables.token_ids)
    blocks = to_host(held.device, held.tables.block_tables)
    places = [
        (chunk.row, chunk.num_computed + i) for chunk in chunks for i in range(chunk.num_scheduled)
    ]
    slots = [int(blocks[row, place // 4]) * 4 + place % 4 for row, place in places]
    padding = [0] * num_padded
    assert to_host(held.device, step.token_ids).tolist() == [tokens[p] for p in places] + padding
    assert to_host(held.device, step.positions).tolist() == [p for _, p in places] + padding
    assert to_host(held.device, step.slots).tolist() == slots + [-1] * num_padded


def append(
    held: OnDevice,
    rows: list[int],
    lens: list[int],
    sampled: list[int],
    live: int,
    assumed: list[int] | None = None,
    statuses: list[int] | None = None,
) -> None:
    def ints(values: list[int]) -> np.ndarray:
        return on_device(held.device, np.array(values, np.int32))

    places = (np.array(rows), np.array(lens), np.array(assumed or [0] * len(rows)))
    held.kernels.append(
        ints([0, 0, live, 0]),
        rows_on(held.device, *places),
        ints(sampled),
        ints(statuses or [RowStatus.SOUND] * len(rows)),
    )


def test_sampled_tokens_stand_behind_the_known_ones_of_live_rows_only(held) -> None:
    before = to_host(held.device, held.tables.token_ids)
    append(held, [4, 0, 3], [7, 40, 9], [50, 49, 48], live=2)
    after = to_host(held.device, held.tables.token_ids)
    assert after[4, 7] == 50
    assert after[0, 40] == 49
    assert np.argwhere(after != before).tolist() == [[0, 40], [4, 7]]


def test_sampled_token_is_an_input_of_the_next_step(held) -> None:
    append(held, [4], [7], [50], live=1)
    step = step_of(held, [Chunk(4, 7, 1)], 0)
    held.kernels.expand(step)
    assert to_host(held.device, step.token_ids).tolist() == [50]


def counts_of(prompt: list[int], output: list[int]) -> np.ndarray:
    counts = np.bincount(output, minlength=51) if output else np.zeros(51, np.int64)
    counts[list(set(prompt))] |= IN_PROMPT
    return counts


def seen_on(held: OnDevice, row: int) -> np.ndarray:
    return to_host(held.device, held.tables.seen)[row, :51]


def test_tokens_of_a_penalised_sequence_are_counted(held) -> None:
    rng = np.random.default_rng(1)
    known = rng.integers(0, 51, 40).tolist()
    history = (known[:25], known[25:])
    held.kernels.count_seen(2, 25, 40)
    held.set(2, sampling(frequency_penalty=1.0), 0, History(*history))
    held.flush()
    np.testing.assert_array_equal(seen_on(held, 2), counts_of(*history))
    assert not seen_on(held, 1).any()
    assert not seen_on(held, 3).any()


def test_sampled_tokens_are_counted_where_there_are_penalties(held) -> None:
    held.set(2, sampling(presence_penalty=1.0), 0, History([1, 2, 3], [2]))
    held.set(3, sampling(), 0, History([1, 2, 3], [2]))
    held.flush()
    for length, token in enumerate([9, 2, 1, 9], start=4):
        append(held, [2, 3], [length, length], [token, token], live=2)
    np.testing.assert_array_equal(seen_on(held, 2), counts_of([1, 2, 3], [2, 9, 2, 1, 9]))
    assert not seen_on(held, 3).any()


def test_count_that_is_full_stays_so(device) -> None:
    held = OnDevice(device, LIMITS._replace(max_model_len=2**15 + 5, max_batch_size=2))
    held.set(1, sampling(presence_penalty=1.0), 0, History([6], [6] * (MAX_OUTPUTS + 3)))
    held.flush()
    assert seen_on(held, 1)[6] == IN_PROMPT | MAX_OUTPUTS
    append(held, [1], [9], [6], live=1)
    assert seen_on(held, 1)[6] == IN_PROMPT | MAX_OUTPUTS


def test_right_drafts_are_known_and_a_token_behind_them(held) -> None:
    """Row 4 has two right ones of three, row 0 none, and row 3 one that is right to the end."""
    before = to_host(held.device, held.tables.token_ids)
    for row, place, drafts in ((4, 7, [11, 12, 13]), (0, 20, [14]), (3, 9, [15])):
        word = held.tables.places.token_ids.word(row, place)
        held.ring.write(word, np.array(drafts, np.int32))
    for row in (4, 3):
        held.set(row, sampling(presence_penalty=1.0), 0, History([1, 2], [3]))
    held.flush()
    rows, lens = [4, 4, 4, 4, 0, 0, 3, 3], [7, 8, 9, 10, 20, 21, 9, 10]
    sampled, assumed = [11, 12, 40, 41, 42, 43, 15, 11], [0, 1, 2, 3, 0, 1, 0, 1]
    append(held, rows, lens, sampled, 8, assumed)
    after = to_host(held.device, held.tables.token_ids)
    assert after[4, 7:10].tolist() == [11, 12, 40]
    assert after[0, 20:22].tolist() == [42, before[0, 21]]
    assert after[3, 9:11].tolist() == [15, 11]
    np.testing.assert_array_equal(seen_on(held, 4), counts_of([1, 2], [3, 11, 12, 40]))
    np.testing.assert_array_equal(seen_on(held, 3), counts_of([1, 2], [3, 15, 11]))


def test_unsound_rows_are_neither_known_nor_counted(held) -> None:
    held.ring.write(held.tables.places.token_ids.word(4, 7), np.array([11, 12], np.int32))
    held.set(4, sampling(presence_penalty=1.0), 0, History([1, 2], [3]))
    held.flush()
    sound, unsound = RowStatus.SOUND, RowStatus.NOT_FINITE
    places = ([4, 4, 4], [7, 8, 9], [11, 12, 13], 3, [0, 1, 2])
    append(held, *places, [unsound, sound, sound])
    np.testing.assert_array_equal(seen_on(held, 4), counts_of([1, 2], [3]))
    append(held, *places, [sound, sound, unsound])
    np.testing.assert_array_equal(seen_on(held, 4), counts_of([1, 2], [3, 11, 12]))


def test_rows_of_drafts_that_are_not_live_are_not_gone_into(held) -> None:
    """They are left from a wider step."""
    held.ring.write(held.tables.places.token_ids.word(4, 7), np.array([11, 12], np.int32))
    held.flush()
    append(held, [4, 4], [7, 8], [11, 40], 1, [0, 1])
    assert to_host(held.device, held.tables.token_ids)[4, 7:9].tolist() == [11, 12]
