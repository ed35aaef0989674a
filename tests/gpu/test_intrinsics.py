"""Each intrinsic gives a GPU's lanes what its description gives the emulator's."""

from __future__ import annotations

import pytest

from forge_worker.cuda.device import Device
from tests.cuda_emulator.intrinsic_cases import IntrinsicCase, intrinsic_cases

CASES = intrinsic_cases()


@pytest.mark.parametrize("case", CASES, ids=[case.kernel for case in CASES])
def test_lanes_get_what_the_manual_says(device: Device, case: IntrinsicCase) -> None:
    case.check(device)
