"""A speed is told as a share of what bounds it: memory for one sequence, products for more."""

from __future__ import annotations

import pytest

from tests.bench.cpu.cases import PREFILL, decode
from tests.bench.cpu.ceilings import Ceilings, Work, share

CEILINGS = Ceilings(read_bytes=1000.0, int8_products=4000.0, bf16_products=2000.0)
INT8 = Work(num_weights=100, num_head_weights=20, num_bytes=110, is_int8=True)
BF16 = Work(num_weights=100, num_head_weights=20, num_bytes=200, is_int8=False)


@pytest.mark.parametrize(
    ("work", "load", "expected"),
    [
        pytest.param(INT8, decode(1), 0.55, id="bytes"),
        pytest.param(BF16, decode(1), 1.0, id="twice the bytes"),
        pytest.param(INT8, decode(32), 0.125, id="int8"),
        pytest.param(BF16, PREFILL, 0.2, id="bf16, without the head"),
    ],
)
def test_share_is_of_what_bounds_the_load(work: Work, load: object, expected: float) -> None:
    assert share(CEILINGS, work, load, speed=5.0) == pytest.approx(expected)
