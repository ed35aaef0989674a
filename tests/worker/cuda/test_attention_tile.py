"""Chunks of prompts on tensor cores: attention_tile, alone and in steps with single tokens."""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.attention_plan import AttentionGeometry, tile_shape
from forge_worker.cuda.device import Device
from tests.worker.cuda.arrays import on_device, to_host
from tests.worker.cuda.attention_cases import (
    AttentionCase,
    Chunk,
    Padding,
    PlacedCase,
    is_untouched,
)
from tests.worker.cuda.test_attention import BF16, PLAIN, TENSOR_CORES, Kind, named

PROMPTS = [Chunk(length, length) for length in (2, 15, 17, 65)]
CACHED = [Chunk(2, 65), Chunk(5, 133), Chunk(33, 49), Chunk(16, 200)]
MIX = [Chunk(1, 17), *PROMPTS[:2], Chunk(1, 1), *CACHED[:2], Chunk(1, 130)]


@pytest.mark.parametrize("kind", TENSOR_CORES, ids=named)
@pytest.mark.parametrize("window", [None, 1, 20, 64, 1000])
def test_chunks_attend_to_what_they_see(device: Device, kind: Kind, window: int | None) -> None:
    case = AttentionCase(*kind, PROMPTS + CACHED)
    case.assert_close(PlacedCase(device, case).run(window), window)


@pytest.mark.parametrize("kind", TENSOR_CORES, ids=named)
@pytest.mark.parametrize("window", [None, 20])
def test_chunks_and_single_tokens_share_a_step(
    device: Device, kind: Kind, window: int | None
) -> None:
    case = AttentionCase(*kind, MIX)
    case.assert_close(PlacedCase(device, case).run(window), window)


def test_order_of_threads_changes_no_bit(schedules: list[Device]) -> None:
    case = AttentionCase(*PLAIN, PROMPTS + CACHED)
    outs = {PlacedCase(device, case).run(window=40).tobytes() for device in schedules}
    assert len(outs) == 1


def test_what_lies_before_a_window_is_never_looked_at(device: Device) -> None:
    case = AttentionCase(*PLAIN, CACHED)
    case.forget_before(20)
    case.assert_close(PlacedCase(device, case).run(window=20), window=20)


@pytest.mark.parametrize(("window", "scale"), [(None, None), (30, None), (None, 2.0)])
def test_bits_do_not_depend_on_where_a_prompt_is_cut(
    device: Device, window: int | None, scale: float | None
) -> None:
    precision, geometry = PLAIN
    case = AttentionCase(precision, geometry._replace(scale=scale), [Chunk(150, 170)])
    whole = PlacedCase(device, case).run(window)
    for cut in (2, 37, 64):
        pieces = (case.only(0, slice(0, cut)), case.only(0, slice(cut, 150)))
        outs = [PlacedCase(device, piece).run(window) for piece in pieces]
        assert np.concatenate(outs).tobytes() == whole.tobytes()


def test_decoded_token_has_the_bits_it_has_in_a_prompt_where_all_are_tiles(device: Device) -> None:
    """Deterministic mode: computed anew after a preemption, or found in a cache, it is the same."""
    case = AttentionCase(*PLAIN, [Chunk(150, 150), Chunk(3, 70)])
    whole = PlacedCase(device, case, has_singles=False).run()
    for sequence, query, row in ((0, 149, 149), (0, 63, 63), (1, 2, 152)):
        single = case.only(sequence, slice(query, query + 1))
        alone = PlacedCase(device, single, has_singles=False).run()
        assert alone.tobytes() == whole[row : row + 1].tobytes()


@pytest.mark.parametrize("offset", [-1, 0, 1])
def test_chunks_around_the_size_of_a_tile(device: Device, offset: int) -> None:
    precision, geometry = BF16, AttentionGeometry(2, 1, 64, 16)
    length = tile_shape(geometry).queries + offset
    case = AttentionCase(precision, geometry, [Chunk(length, length), Chunk(length, 2 * length)])
    case.assert_close(PlacedCase(device, case).run())


def test_large_scores_do_not_overflow(device: Device) -> None:
    precision, geometry = PLAIN
    case = AttentionCase(precision, geometry._replace(scale=1000.0), PROMPTS)
    case.assert_close(PlacedCase(device, case).run())


def test_equal_keys_weigh_the_same_however_long_the_context(device: Device) -> None:
    """Sums are scaled at every tile of keys: were that ever so little off 1, it would add up."""
    precision, geometry = PLAIN
    case = AttentionCase(precision, geometry._replace(scale=1e5), [Chunk(2, 700)])
    case.make_keys_equal()
    case.assert_close(PlacedCase(device, case).run())


def test_padding_is_not_written(device: Device) -> None:
    case = AttentionCase(*PLAIN, CACHED)
    placed = PlacedCase(device, case, Padding(tokens=4, sequences=2))
    num_live = len(case.chunks)
    beyond = [(num_live, 0), (num_live + 1, 0), (0, case.chunks[0].num_queries)]
    tiles = np.concatenate([to_host(device, placed.step.tiles), np.array(beyond, np.int32)])
    step = placed.step._replace(
        shape=placed.step.shape._replace(num_tiles=len(tiles)), tiles=on_device(device, tiles)
    )
    out = placed.empty_out()
    placed.attention()(placed.query, step, placed.kv_layer, None, out)
    written = to_host(device, out)
    case.assert_close(written[: case.num_tokens])
    assert is_untouched(written[case.num_tokens :])


def test_tiles_of_sequences_that_are_not_live_are_padding(device: Device) -> None:
    case = AttentionCase(*PLAIN, PROMPTS)
    placed = PlacedCase(device, case)
    num_live = sum(chunk.num_queries for chunk in PROMPTS[:2])
    counts = on_device(device, np.array([num_live, 2, 0, 0], np.int32))
    out = placed.empty_out()
    step = placed.step._replace(counts=counts)
    placed.attention()(placed.query, step, placed.kv_layer, None, out)
    written = to_host(device, out)
    assert not np.isnan(BF16.widened(written[:num_live])).any()
    assert is_untouched(written[num_live:])
