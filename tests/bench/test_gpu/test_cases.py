"""Kernels that are measured alone do all of the work that is counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_worker.cuda.layout import EngineSizes
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.sampler import CudaSampler, Drawing, RowStatus
from forge_worker.sequence_mirror import Limits
from tests.bench.gpu.attention_work import AttentionOperands, single_cases, tile_cases
from tests.bench.gpu.llamas import write_llama
from tests.bench.gpu.operands import Case, Room, Store
from tests.bench.gpu.product_cases import ProductOperands, product_cases
from tests.bench.gpu.row_cases import (
    SAMPLING,
    gate_cases,
    norm_cases,
    rotary_cases,
    sampling_cases,
)
from tests.bench.test_gpu.emulated import TINY_LLAMA, EmulatedMachine

CONTEXT, PROMPT, BATCH = 20, 24, 3
HIDDEN, INNER, HEADS, KV_HEADS, HEAD_DIM, VOCAB = 64, 96, 4, 2, 16, 96


@pytest.fixture(scope="module")
def machine() -> EmulatedMachine:
    return EmulatedMachine()


@pytest.fixture
def store(machine: EmulatedMachine) -> Store:
    return Store(machine.device, Room(cold_bytes=2**16, noise_bytes=2**12))


@pytest.fixture
def sizes(tmp_path: Path) -> EngineSizes:
    config = write_llama(tmp_path, TINY_LLAMA)
    limits = Limits(BATCH, max(CONTEXT, PROMPT), block_size=16, num_blocks=1, vocab_size=VOCAB)
    return EngineSizes(config, Precision.BFLOAT16, limits, PROMPT, False)


@pytest.fixture
def operands(store: Store, sizes: EngineSizes) -> AttentionOperands:
    return AttentionOperands(store, sizes, (CONTEXT, PROMPT))


def num_changed(array, case: Case) -> int:
    bits = array.inner.view(f"u{array.dtype.itemsize}")  # NaN differs from itself
    before = bits.copy()
    case.work(0)
    return int((bits != before).sum())


def test_single_tokens_attend_in_every_sequence(operands: AttentionOperands) -> None:
    (one, all_of_them) = single_cases(operands, [1, BATCH])
    width = HEADS * HEAD_DIM
    assert num_changed(operands.out.flat, one) == pytest.approx(width, abs=2)
    assert num_changed(operands.out.flat, all_of_them) == pytest.approx((BATCH - 1) * width, abs=4)
    assert all_of_them.num_bytes == BATCH * CONTEXT * 2 * KV_HEADS * HEAD_DIM * 2


def test_another_call_attends_to_another_sequence(operands: AttentionOperands) -> None:
    (one, _) = single_cases(operands, [1, BATCH])
    width = HEADS * HEAD_DIM
    rows = []
    for number in range(BATCH + 1):
        one.work(number)
        rows.append(operands.out.flat.inner[:width].tobytes())
    assert len(set(rows)) == BATCH
    assert rows[0] == rows[-1]


def test_all_tokens_of_a_prompt_attend(operands: AttentionOperands) -> None:
    (case,) = tile_cases(operands, [PROMPT])
    num_sums = PROMPT * HEADS * HEAD_DIM
    assert num_changed(operands.out.flat, case) == pytest.approx(num_sums, rel=0.02)
    assert case.num_flops == 4 * HEADS * HEAD_DIM * PROMPT**2 / 2


def test_all_keys_and_values_are_stored(
    operands: AttentionOperands, sizes: EngineSizes, store: Store
) -> None:
    (case,) = rotary_cases(operands, sizes, [PROMPT], store)
    values = operands.kv_layer.values
    num_values = PROMPT * KV_HEADS * HEAD_DIM
    assert num_changed(values, case) == pytest.approx(num_values, rel=0.02)
    width = (HEADS + 2 * KV_HEADS) * HEAD_DIM
    assert case.num_bytes == PROMPT * (2 * width * 2 + 4 * HEAD_DIM)


def test_bytes_of_rows(store: Store, sizes: EngineSizes) -> None:
    (norm,) = norm_cases(store, sizes.config, [5])
    (gate,) = gate_cases(store, sizes.config, [5])
    assert norm.num_bytes == 5 * HIDDEN * (4 + 2)
    assert gate.num_bytes == 5 * (2 * INNER + INNER) * 2


def test_every_row_gets_a_token(
    store: Store, machine: EmulatedMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawings: list[Drawing] = []
    sample = CudaSampler.sample
    monkeypatch.setattr(
        CudaSampler,
        "sample",
        lambda self, drawing: (drawings.append(drawing), sample(self, drawing)),
    )
    for case in sampling_cases(store.device, 4, VOCAB):
        case.work(0)
        assert case.num_bytes == 4 * VOCAB * 4
    assert len(drawings) == len(SAMPLING)
    for drawing in drawings:
        assert (drawing.statuses.inner == RowStatus.SOUND).all()
        assert (drawing.tokens.inner >= 0).all()
    greedy = drawings[0]
    assert (greedy.tokens.inner == np.argmax(greedy.logits.inner, axis=1)).all()


@pytest.mark.parametrize("num_rows", [1, 20])
def test_products_write_all_their_features(
    store: Store, sizes: EngineSizes, machine: EmulatedMachine, num_rows: int
) -> None:
    operands = ProductOperands(store, machine.library(), sizes)
    cases = {
        case.name.split(", ")[-2]: case
        for case in product_cases(operands, sizes.config, [num_rows])
    }
    joined = (HEADS + 2 * KV_HEADS) * HEAD_DIM
    residual, wide = operands.residual.flat, operands.wide.flat
    assert num_changed(wide, cases["qkv"]) == pytest.approx(num_rows * joined, rel=0.05)
    assert num_changed(residual, cases["down"]) == pytest.approx(num_rows * HIDDEN, rel=0.05)
    assert num_changed(wide, cases["gate"]) == pytest.approx(num_rows * INNER, rel=0.05)
    assert num_changed(operands.logits, cases["head"]) == num_rows * VOCAB
    assert cases["down"].num_flops == 2 * INNER * HIDDEN * num_rows
    weights, rows = 2 * INNER * HIDDEN, num_rows * (2 * INNER + 2 * 4 * HIDDEN)
    assert cases["down"].num_bytes == weights + rows
