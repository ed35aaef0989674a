"""The emulator's intrinsics against their description, lane by lane, under several schedules."""

from __future__ import annotations

import pytest

from tests.cuda_emulator.device import EmulatedDevice
from tests.cuda_emulator.intrinsic_cases import PROBES, IntrinsicCase, intrinsic_cases
from tests.worker.cuda.compile_gate import ARCHITECTURES, Job, compile_all

ORDERS = range(5)
CASES = intrinsic_cases()


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("case", CASES, ids=[case.kernel for case in CASES])
def test_lanes_get_what_the_manual_says(case: IntrinsicCase, order: int) -> None:
    case.check(EmulatedDevice(order))


def test_every_probe_has_a_case() -> None:
    assert {case.kernel for case in CASES} == set(EmulatedDevice().kernels(PROBES))


def test_probes_compile_for_gpus_too() -> None:
    compiled = compile_all(Job(PROBES, architecture) for architecture in ARCHITECTURES)
    assert len(compiled) == len(ARCHITECTURES) * len(CASES)
