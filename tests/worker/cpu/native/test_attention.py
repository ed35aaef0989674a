"""Attention kernels against NumPy's attention, and against themselves bit by bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from forge_common.kv_format import KVFormatName
from forge_worker.cpu.attention import attend
from forge_worker.cpu.attention_plan import plan_attention
from forge_worker.cpu.thread_pool import ThreadPool
from forge_worker.forward_inputs import FloatArray
from forge_worker.ops.protocol import KVLayer
from tests.worker.cpu.native.attending import (
    NARROW,
    Attending,
    Heads,
    Kind,
    make_works,
    poison,
    random,
)
from tests.worker.forward import Work, make_inputs

# Of each sequence the tokens that ran before, and those to run: around groups, blocks and spans.
LENGTHS = [
    (0, 1),
    (30, 1),
    (0, 40),
    (17, 130),
    (99, 1),
    (5, 2),
    (15, 1),
    (16, 1),
    (3, 16),
    (511, 3),
]
HEADS = [Heads(1, 1, 8), Heads(2, 3, 64), Heads(1, 8, 24), Heads(4, 1, 16), Heads(1, 5, 80)]
NUM_TOKENS = 2048  # that a cache has room for, whatever its blocks


def attending(heads: Heads, kind: Kind, block_size: int = 16, num_threads: int = 1) -> Attending:
    made = Attending(heads, kind, block_size, NUM_TOKENS // block_size + 12, num_threads)
    poison(made.cache)
    return made


def past(works: Sequence[Work]) -> list[Work]:
    return [Work([0] * w.num_computed, 0, w.block_table) for w in works if w.num_computed]


def run_with_past(
    layer: Attending, works: Sequence[Work], window: int | None
) -> tuple[FloatArray, FloatArray]:
    """Queries [T, num_heads, head_dim] and what they attended to."""
    before = past(works)
    layer.run(before, random(sum(len(w.token_ids) for w in before), layer.heads.width, seed=1))
    qkv = random(sum(len(w.token_ids) for w in works), layer.heads.width, seed=2)
    attended = layer.run(works, qkv, window)
    return qkv.reshape(len(qkv), -1, layer.heads.head_dim)[:, : layer.heads.num_heads], attended


def numpy_attention(
    layer: Attending, works: Sequence[Work], query: FloatArray, window: int | None = None
) -> FloatArray:
    """The reference, over what the kernels stored."""
    block_size, heads = layer.block_size, layer.heads
    shape = (layer.num_blocks, block_size, heads.num_kv_heads, heads.head_dim)
    kv = KVLayer(np.zeros(shape, np.float32), np.zeros(shape, np.float32))
    for work, stored in zip(works, layer.stored(works), strict=True):
        positions = np.arange(work.context_len)
        blocks = np.array(work.block_table)[positions // block_size]
        for cached, part in zip(kv, stored, strict=True):
            cached[blocks, positions % block_size] = part
    plan = plan_attention(make_inputs(works, block_size), block_size, window)
    grouped = query.reshape(len(query), heads.num_kv_heads, -1, heads.head_dim)
    attended = attend(grouped * np.float32(layer.scale), kv, plan, layer.score_cap, ThreadPool(1))
    return attended.reshape(len(query), -1)


@pytest.mark.parametrize("heads", HEADS)
@pytest.mark.parametrize("window", [None, 1, 11, 64, 500])
@pytest.mark.parametrize("block_size", [1, 8, 16, 24, 1000])
def test_attention_equals_numpys(heads: Heads, window: int | None, block_size: int) -> None:
    layer = attending(heads, Kind("bfloat16"), block_size)
    works = make_works(LENGTHS if block_size < 1000 else LENGTHS[:4], block_size, layer.num_blocks)
    query, attended = run_with_past(layer, works, window)
    np.testing.assert_allclose(attended, numpy_attention(layer, works, query, window), atol=5e-6)


@pytest.mark.parametrize(
    "kind",
    [Kind("float32"), Kind("int8"), Kind("fp8"), Kind("float32", NARROW), Kind("fp8", NARROW)],
)
@pytest.mark.parametrize("heads", [Heads(2, 7, 96), Heads(1, 2, 128), Heads(1, 4, 256)])
def test_every_format_and_register_width_equals_numpys(kind: Kind, heads: Heads) -> None:
    layer = attending(heads, kind)
    works = make_works(LENGTHS, 16, layer.num_blocks)
    query, attended = run_with_past(layer, works, 100)
    np.testing.assert_allclose(attended, numpy_attention(layer, works, query, 100), atol=1e-5)


@pytest.mark.parametrize("name", ["float32", "fp8"])
def test_register_width_does_not_change_a_bit(name: KVFormatName) -> None:
    results = []
    for kind in (Kind(name), Kind(name, NARROW)):
        layer = attending(Heads(2, 3, 72), kind)
        results.append(run_with_past(layer, make_works(LENGTHS, 16, layer.num_blocks), None)[1])
    assert (results[0] == results[1]).all()


def in_pieces(
    layer: Attending, qkv: FloatArray, table: list[int], pieces: Sequence[int], window: int | None
) -> FloatArray:
    """One sequence, so many tokens a step."""
    attended, done = [], 0
    for piece in pieces:
        part = qkv[done : done + piece].copy()
        attended.append(layer.run([Work([0] * piece, done, table)], part, window))
        done += piece
    return np.concatenate(attended)


@pytest.mark.parametrize("window", [None, 37, 300])
@pytest.mark.parametrize("block_size", [8, 16, 24, 1000])
@pytest.mark.parametrize("heads", [Heads(2, 1, 64), Heads(1, 3, 40), Heads(1, 8, 64)])
def test_chunks_and_single_tokens_have_the_same_bits(
    heads: Heads, block_size: int, window: int | None
) -> None:
    layer = attending(heads, Kind("bfloat16"), block_size)
    table = list(range(-(-700 // block_size)))
    qkv = random(700, heads.width)
    whole = in_pieces(layer, qkv, table, [700], window)
    for pieces in ([600] + [1] * 100, [1, 2, 16, 31, 450, 200], [512, 188]):
        poison(layer.cache)
        assert (in_pieces(layer, qkv, table, pieces, window) == whole).all()


def test_chunks_of_fp8_have_the_bits_of_a_whole() -> None:
    layer = attending(Heads(1, 3, 40), Kind("fp8"))
    qkv = random(300, layer.heads.width)
    whole = in_pieces(layer, qkv, list(range(19)), [300], None)
    poison(layer.cache)
    assert (in_pieces(layer, qkv, list(range(19)), [1, 2, 250, 30, 17], None) == whole).all()


@pytest.mark.parametrize("name", ["bfloat16", "fp8"])
def test_batch_and_threads_do_not_change_a_bit(name: KVFormatName) -> None:
    heads = Heads(2, 3, 64)
    lengths = [(10 * index, 1 + index % 3) for index in range(32)]
    alone, together = (attending(heads, Kind(name), num_threads=n) for n in (1, 3))
    works = make_works(lengths, 16, 400)
    for layer in (alone, together):
        layer.grow(400)
        before = past(works)
        layer.run(before, random(sum(len(w.token_ids) for w in before), heads.width, seed=1))
    qkv = random(sum(len(w.token_ids) for w in works), heads.width)
    attended = together.run(works, qkv.copy())
    ends = np.cumsum([len(work.token_ids) for work in works])
    for work, end in zip(works, ends, strict=True):
        rows = slice(end - len(work.token_ids), end)
        assert (alone.run([work], qkv[rows].copy()) == attended[rows]).all()


def test_shared_prefix_equals_a_computed_one() -> None:
    layer = attending(Heads(2, 2, 64), Kind("bfloat16"))
    qkv = random(100, layer.heads.width)
    whole = in_pieces(layer, qkv, [5, 4, 3, 2, 1, 0, 6], [100], None)
    shared = layer.run([Work([0] * 36, 64, [5, 4, 3, 2, 17, 18, 19])], qkv[64:].copy())
    assert (shared == whole[64:]).all()


@pytest.mark.parametrize("kind", [Kind("bfloat16"), Kind("float32"), Kind("int8"), Kind("fp8")])
@pytest.mark.parametrize("part", ["query", "key", "value"])
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_not_finite_ends_its_own_row_alone(kind: Kind, part: str, number: float) -> None:
    heads = Heads(1, 2, 16)
    column = {"query": 0, "key": 2, "value": 3}[part] * 16 + 5
    works = make_works([(0, 40), (0, 40), (0, 1)], 16, 64)
    qkv = random(81, heads.width)
    clean = attending(heads, kind).run(works, qkv.copy())
    qkv[20, column] = number
    layer = attending(heads, kind)
    attended = layer.run(works, qkv.copy())
    is_hit = np.arange(81) == 20
    if part != "query":  # then every later token of the sequence sees it
        is_hit[20:40] = True
    assert (attended[~is_hit] == clean[~is_hit]).all()
    hit = attended[is_hit][:, :16] if part == "query" else attended[is_hit]
    assert not np.isfinite(hit).all(axis=1).any()


def test_blocks_that_held_nan_do_not_poison_their_next_owner() -> None:
    layer = attending(Heads(1, 2, 64), Kind("bfloat16"))
    layer.run([Work([0] * 40, 0, [0, 1, 2])], np.full((40, layer.heads.width), np.nan, np.float32))
    qkv = random(20, layer.heads.width)
    attended = in_pieces(layer, qkv, [2, 0], [7, 13], None)
    assert np.isfinite(attended).all()


def test_keys_before_the_window_may_be_anything() -> None:
    layer = attending(Heads(1, 2, 64), Kind("float32"))
    qkv = random(60, layer.heads.width)
    clean = in_pieces(layer, qkv, [0, 1, 2, 3], [60], window=20)
    qkv[:10] = np.nan
    assert (in_pieces(layer, qkv, [0, 1, 2, 3], [60], window=20)[29:] == clean[29:]).all()


def test_large_scores_do_not_overflow() -> None:
    layer = attending(Heads(1, 2, 16), Kind("float32"))
    qkv = random(30, layer.heads.width) * 1e4
    assert np.isfinite(layer.run([Work([0] * 30, 0, [0, 1])], qkv)).all()


def test_scores_are_capped() -> None:
    layer = attending(Heads(1, 2, 16), Kind(has_cap=True))
    works = make_works(LENGTHS, 16, layer.num_blocks)
    query, attended = run_with_past(layer, works, None)
    expected = numpy_attention(layer, works, query)
    np.testing.assert_allclose(attended, expected, atol=1e-5)
    layer.score_cap = None
    assert np.abs(attended - numpy_attention(layer, works, query)).max() > 0.01


def test_sequence_without_tokens_is_left_alone() -> None:
    layer = attending(Heads(1, 2, 16), Kind("bfloat16"))
    works = [Work([], 0, [0]), Work([0], 0, [1]), Work([], 9, [2])]
    assert np.isfinite(layer.run(works, random(1, layer.heads.width))).all()


def test_step_without_tokens_has_no_tasks() -> None:
    layer = attending(Heads(1, 2, 16), Kind("bfloat16"))
    assert layer.run([Work([], 3, [0])], random(0, layer.heads.width)).shape == (0, 32)
