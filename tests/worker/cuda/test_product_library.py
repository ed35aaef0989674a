"""Products are measured for the numbers of rows that steps will have."""

from __future__ import annotations

from pathlib import Path

from forge_worker.cuda.graphs import buckets
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.product_library import row_counts
from forge_worker.cuda.skinny import MAX_ROWS
from tests.worker.cuda.engines import sizes_of
from tests.worker.fakes import LIMITS

MODEL = Path(__file__).parents[2] / "golden" / "models" / "llama2"


def counts(max_batch_size: int, max_tokens: int) -> list[int]:
    limits = LIMITS._replace(max_batch_size=max_batch_size)
    return row_counts(sizes_of(MODEL, Precision.BFLOAT16, limits, max_tokens=max_tokens))


def test_graphs_come_first_and_then_chunks() -> None:
    found = counts(48, 4096)
    graphs = [width for width in buckets(48) if width > MAX_ROWS]
    assert found[: len(graphs)] == graphs == [24, 32, 40, 48]
    assert found[len(graphs) :] == [4096, 2048, 1024, 512]


def test_rows_that_skinny_kernels_take_are_not_measured() -> None:
    assert counts(8, 64) == [64, 32]
    assert counts(1, 16) == []


def test_each_count_is_measured_once() -> None:
    found = counts(256, 256)
    assert len(found) == len(set(found))
