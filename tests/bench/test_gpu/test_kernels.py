"""Every kernel that is measured alone runs, on rows and contexts as small as can be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.gpu.kernels import KernelScale, measure_kernels, possible_s
from tests.bench.gpu.llamas import write_llama
from tests.bench.gpu.models import Site
from tests.bench.gpu.operands import Case, Room
from tests.bench.gpu.roofline import Ceilings
from tests.bench.gpu.timing import Effort
from tests.bench.test_gpu.emulated import TINY_LLAMA, EmulatedMachine
from tests.bench.test_gpu.test_models import SCALE

SMALL = KernelScale(
    product_rows=(1, 20),
    batch_sizes=(1, 2),
    context=20,
    prompt_lens=(24,),
    row_counts=(3,),
    sampling_rows=2,
    room=Room(cold_bytes=2**16, noise_bytes=2**12),
    effort=Effort(min_run_s=1e-12, rounds=1),
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    write_llama(tmp_path, TINY_LLAMA)
    return Site(EmulatedMachine(), Ceilings(1e9, 1e12), "tiny", tmp_path, SCALE)


def test_every_kernel_is_measured(site: Site) -> None:
    results = list(measure_kernels(site, SMALL))
    names = {result.name.removeprefix("tiny ").split(",")[0] for result in results}
    assert names == {
        "attention_single",
        "attention_tile",
        "rotate and store",
        "norm",
        "gate",
        "sampling 2 × 96",
        "attention's out",
        "down",
        "head",
    }
    assert len({result.name for result in results}) == len(results)
    assert all(result.share > 0 for result in results)


def test_what_is_possible_is_bound_by_bytes_or_by_operations(site: Site) -> None:
    work = [].append
    assert possible_s(site, Case("a", work, num_bytes=10**9, num_flops=10**9)) == 1.0
    assert possible_s(site, Case("b", work, num_bytes=10, num_flops=2 * 10**12)) == 2.0
