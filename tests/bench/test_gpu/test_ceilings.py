"""Ceilings are measured by kernels that do what is counted."""

from __future__ import annotations

import pytest

from tests.bench.gpu.ceilings import CeilingScale, ceilings_of, measure_ceilings
from tests.bench.gpu.timing import Candidate, Effort, median_seconds
from tests.bench.test_gpu.emulated import EmulatedMachine

EFFORT = Effort(min_run_s=1e-9, rounds=3)
SCALE = CeilingScale(2**12, 16, noise_bytes=2**10, tuning_bytes=2**10, effort=EFFORT)


def test_both_are_there_and_in_their_units() -> None:
    results = list(measure_ceilings(EmulatedMachine(), SCALE))
    ceilings = ceilings_of(results)
    assert [result.unit for result in results] == ["TB/s", "TFLOP/s"]
    assert ceilings.bytes_per_s == pytest.approx(results[0].value * 1e12)
    assert ceilings.flops_per_s == pytest.approx(results[1].value * 1e12)


def test_one_alone_is_not_enough() -> None:
    (copy, _) = measure_ceilings(EmulatedMachine(), SCALE)
    with pytest.raises(KeyError):
        ceilings_of([copy])


def test_work_is_repeated_to_fill_the_time() -> None:
    machine = EmulatedMachine()
    numbers: list[int] = []
    candidate = Candidate(numbers.append, possible_s=1e-3)
    seconds = median_seconds(machine, {"a": candidate}, Effort(4e-3, max_repeats=9, rounds=2))
    assert numbers == [0, 0, 1, 2, 3]  # once before it is recorded, and then as often as needed
    assert seconds["a"] >= 0
