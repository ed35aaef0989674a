"""Tokens that attend on their own: attention_single, attention_scalar, and the wrapper's checks.

Chunks on tensor cores are in test_attention_tile.
"""

from __future__ import annotations

import numpy as np
import pytest

from forge_worker.cuda.attention import PagedAttention, attention_sources, workspace_bytes
from forge_worker.cuda.attention_plan import AttentionGeometry
from forge_worker.cuda.attention_split import AttentionLimits
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from tests.worker.cuda.arrays import empty_on, on_device, to_host
from tests.worker.cuda.attention_cases import (
    AttentionCase,
    Chunk,
    Padding,
    PlacedCase,
    is_untouched,
)

BF16, F16, F32 = Precision.BFLOAT16, Precision.FLOAT16, Precision.FLOAT32
EDGE_LENGTHS = (1, 15, 16, 17, 63, 64, 65, 200)
EDGES = [Chunk(1, length) for length in EDGE_LENGTHS]
MIX = [Chunk(1, 30), Chunk(9, 9), Chunk(1, 1), Chunk(2, 70), Chunk(18, 33)]

# Every head_dim, group and kind of block size at least once, in few compilations.
TENSOR_CORES = [
    (F16, AttentionGeometry(16, 1, 16, 1)),
    (BF16, AttentionGeometry(8, 2, 64, 16)),
    (BF16, AttentionGeometry(8, 1, 80, 5)),
    (F16, AttentionGeometry(2, 2, 96, 64)),
    (F16, AttentionGeometry(7, 1, 128, 24)),
    (BF16, AttentionGeometry(16, 1, 128, 16, scale=0.3)),
    (BF16, AttentionGeometry(2, 1, 256, 200, softcap=5.0)),
    (F16, AttentionGeometry(16, 1, 256, 16)),
    (BF16, AttentionGeometry(8, 2, 64, 16, kv="fp8")),
    (F16, AttentionGeometry(7, 1, 128, 24, kv="fp8")),
    (BF16, AttentionGeometry(16, 1, 128, 16, kv="int8")),
    (F16, AttentionGeometry(3, 1, 80, 5, kv="int8")),
    (BF16, AttentionGeometry(2, 1, 256, 200, softcap=5.0, kv="fp8")),
]
SCALAR = [
    (F32, AttentionGeometry(2, 2, 8, 16, softcap=5.0)),
    (BF16, AttentionGeometry(4, 2, 8, 7)),
    (F32, AttentionGeometry(8, 2, 64, 16)),
    (F32, AttentionGeometry(7, 1, 80, 200)),
    (F32, AttentionGeometry(16, 1, 96, 16)),
    (F32, AttentionGeometry(2, 1, 128, 1)),
    (F32, AttentionGeometry(8, 1, 256, 24, scale=0.02)),
    (F32, AttentionGeometry(8, 2, 64, 16, kv="fp8")),
    (BF16, AttentionGeometry(4, 2, 8, 7, kv="int8")),
]
PLAIN = (BF16, AttentionGeometry(8, 2, 64, 16))
PLAIN_F32 = (F32, AttentionGeometry(8, 2, 64, 16))
EITHER = pytest.mark.parametrize("kind", [PLAIN, PLAIN_F32], ids=["single", "scalar"])

Kind = tuple[Precision, AttentionGeometry]


def named(kind: Kind) -> str:
    precision, geometry = kind
    sizes = f"{geometry.head_dim}-group{geometry.group}-{geometry.block_size}"
    return f"{precision.value}-{sizes}-{geometry.kv}"


@pytest.mark.parametrize("kind", TENSOR_CORES + SCALAR, ids=named)
@pytest.mark.parametrize("window", [None, 1, 20, 64, 1000])
def test_single_tokens_attend_to_what_they_see(
    device: Device, kind: Kind, window: int | None
) -> None:
    case = AttentionCase(*kind, EDGES)
    case.assert_close(PlacedCase(device, case).run(window), window)


@pytest.mark.parametrize("kind", SCALAR, ids=named)
@pytest.mark.parametrize("window", [None, 20])
def test_without_tensor_cores_tokens_of_chunks_attend_alone(
    device: Device, kind: Kind, window: int | None
) -> None:
    case = AttentionCase(*kind, MIX)
    case.assert_close(PlacedCase(device, case).run(window), window)


@EITHER
def test_order_of_threads_changes_no_bit(schedules: list[Device], kind: Kind) -> None:
    case = AttentionCase(*kind, EDGES)
    outs = {PlacedCase(device, case).run(window=70).tobytes() for device in schedules}
    assert len(outs) == 1


@EITHER
def test_what_lies_before_a_window_is_never_looked_at(device: Device, kind: Kind) -> None:
    case = AttentionCase(*kind, EDGES)
    case.forget_before(20)
    case.assert_close(PlacedCase(device, case).run(window=20), window=20)


@EITHER
def test_large_scores_do_not_overflow(device: Device, kind: Kind) -> None:
    precision, geometry = kind
    case = AttentionCase(precision, geometry._replace(scale=1000.0), [Chunk(1, 200)])
    case.assert_close(PlacedCase(device, case).run())


@EITHER
def test_equal_keys_weigh_the_same_however_long_the_context(device: Device, kind: Kind) -> None:
    """Sums are scaled at every key, tile or split: were that off 1 a little, it would add up."""
    precision, geometry = kind
    case = AttentionCase(precision, geometry._replace(scale=1e5), [Chunk(1, 700)])
    case.make_keys_equal()
    placed = PlacedCase(device, case)
    for split_size in (64, 704):
        case.assert_close(placed.run(split_size=split_size))


@EITHER
def test_padded_rows_are_not_written(device: Device, kind: Kind) -> None:
    case = AttentionCase(*kind, EDGES)
    out = PlacedCase(device, case, Padding(tokens=3, sequences=3)).run()
    case.assert_close(out[: case.num_tokens])
    assert is_untouched(out[case.num_tokens :])


@EITHER
def test_sequence_without_context_is_not_written(device: Device, kind: Kind) -> None:
    case = AttentionCase(*kind, [Chunk(1, 0), Chunk(1, 5)])
    out = PlacedCase(device, case).run()
    assert is_untouched(out[0])
    case.only(1).assert_close(out[1:])


@EITHER
def test_splits_give_the_same_as_a_whole_context(device: Device, kind: Kind) -> None:
    case = AttentionCase(*kind, [Chunk(1, 200), Chunk(1, 130)])
    placed = PlacedCase(device, case)
    for split_size in (64, 128, 256):
        case.assert_close(placed.run(split_size=split_size))


@EITHER
def test_fixed_splits_make_bits_independent_of_the_batch(device: Device, kind: Kind) -> None:
    case = AttentionCase(*kind, [Chunk(1, 20 + 9 * i) for i in range(21)])
    together = PlacedCase(device, case).run(split_size=64)
    for index in (0, 7, 20):
        alone = PlacedCase(device, case.only(index)).run(split_size=64)
        assert alone.tobytes() == together[index : index + 1].tobytes()


def test_few_blocks_take_turns_with_many_fixed_splits(device: Device) -> None:
    case = AttentionCase(*PLAIN, [Chunk(1, 400 + i) for i in range(12)])
    out = PlacedCase(device, case).run(split_size=64)
    case.assert_close(out)


@EITHER
def test_graph_replays_find_the_workspace_ready(device: Device, kind: Kind) -> None:
    case = AttentionCase(*kind, [Chunk(1, 200), Chunk(1, 90)])
    placed = PlacedCase(device, case)
    attention, out = placed.attention(), placed.empty_out()
    graph = device.capture(lambda: attention(placed.query, placed.step, placed.kv_layer, None, out))
    outs = []
    for _ in range(3):
        device.fill_zero(out)
        graph.launch()
        outs.append(to_host(device, out))
    case.assert_close(outs[0])
    assert outs[0].tobytes() == outs[1].tobytes() == outs[2].tobytes()


@EITHER
def test_replay_for_fewer_sequences_follows_the_counts(device: Device, kind: Kind) -> None:
    case = AttentionCase(*kind, EDGES)
    placed = PlacedCase(device, case)
    attention, out = placed.attention(), placed.empty_out()
    step = placed.step._replace(counts=on_device(device, np.array([3, 3, 0, 0], np.int32)))
    attention(placed.query, step, placed.kv_layer, None, out)
    written = to_host(device, out)
    assert not np.isnan(kind[0].widened(written[:3])).any()
    assert is_untouched(written[3:])


def test_query_may_stand_alone(device: Device) -> None:
    precision, geometry = PLAIN
    case = AttentionCase(precision, geometry, EDGES)
    placed = PlacedCase(device, case)
    width = geometry.num_heads * geometry.head_dim
    out = placed.empty_out()
    query = on_device(device, np.ascontiguousarray(case.qkv[:, :width]))
    placed.attention()(query, placed.step, placed.kv_layer, None, out)
    assert to_host(device, out).tobytes() == placed.run().tobytes()


@pytest.mark.parametrize("kind", TENSOR_CORES, ids=named)
def test_tensor_cores_have_a_kernel_for_chunks(kind: Kind) -> None:
    alone, tile = attention_sources(*kind)
    assert alone.file == "attention_single.cu"
    assert tile is not None
    assert tile.file == "attention_tile.cu"


@pytest.mark.parametrize("kind", SCALAR, ids=named)
def test_without_tensor_cores_one_kernel_does_all(kind: Kind) -> None:
    alone, tile = attention_sources(*kind)
    assert alone.file == "attention_scalar.cu"
    assert tile is None


class TestRefusals:
    def test_arrays_of_other_shapes_or_types(self, device: Device) -> None:
        placed = PlacedCase(device, AttentionCase(*PLAIN, EDGES))
        attention, out = placed.attention(), placed.empty_out()
        good = (placed.query, placed.step, placed.kv_layer, None, out)
        keys, values = placed.kv_layer
        for place, wrong, complaint in (
            (0, placed.query[:, :8], "query is"),
            (0, placed.query[:-1], "query is"),
            (2, placed.kv_layer._replace(keys=keys[:, :1]), "keys is"),
            (2, placed.kv_layer._replace(values=values.view(np.float16)), "values is"),
            (4, out[:, :-1], "out is"),
        ):
            with pytest.raises(ValueError, match=complaint):
                attention(*good[:place], wrong, *good[place + 1 :])

    def test_more_rows_than_the_workspace_is_for(self, device: Device) -> None:
        placed = PlacedCase(device, AttentionCase(*PLAIN, EDGES))
        small = PlacedCase(device, AttentionCase(*PLAIN, EDGES[:2])).attention()
        with pytest.raises(ValueError, match="8 rows attend, not at most 2"):
            small(placed.query, placed.step, placed.kv_layer, None, placed.empty_out())

    @pytest.mark.parametrize("head_dim", [12, 264])
    def test_heads_that_no_kernel_takes(self, device: Device, head_dim: int) -> None:
        self._expect_refusal(device, AttentionGeometry(2, 2, head_dim, 16), "No kernel for heads")

    def test_heads_that_cannot_be_shared(self, device: Device) -> None:
        self._expect_refusal(device, AttentionGeometry(3, 2, 64, 16), "3 heads cannot share 2")

    def test_blocks_whose_numbers_an_index_cannot_count(self, device: Device) -> None:
        geometry = AttentionGeometry(32, 32, 128, 1 << 20)
        self._expect_refusal(device, geometry, "too large to be indexed")

    def test_workspace_of_another_size(self, device: Device) -> None:
        limits = AttentionLimits(4, 100)
        num_bytes = workspace_bytes(device.info, *PLAIN, limits)
        workspace = empty_on(device, (num_bytes - 1,), np.uint8)
        with pytest.raises(ValueError, match="workspace is uint8"):
            PagedAttention(device, *PLAIN, limits, workspace)

    def _expect_refusal(self, device: Device, geometry: AttentionGeometry, match: str) -> None:
        workspace = empty_on(device, (256,), np.uint8)
        with pytest.raises(ValueError, match=match):
            PagedAttention(device, BF16, geometry, AttentionLimits(4, 100), workspace)
