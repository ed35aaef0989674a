"""The worker never touches an array of the device as if it were the host's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_worker.cuda.precision import Precision
from tests.cuda_emulator import EmulatedDevice
from tests.cuda_emulator.opaque import OpaqueDevice
from tests.worker.cuda.engines import engine_of, sizes_of
from tests.worker.fakes import FakeSequence, generate

MODELS = Path(__file__).parents[2] / "golden" / "models"
WISHES = {"temperature": 0.8, "top_p": 0.9, "repetition_penalty": 1.2, "seed": 5}


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.BFLOAT16])
@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe", "gemma2", "olmo2", "cohere2"])
def test_model_runs_on_arrays_that_the_host_cannot_read(name: str, precision: Precision) -> None:
    outputs = []
    for device in (OpaqueDevice(), EmulatedDevice()):
        engine = engine_of(device, MODELS / name, sizes_of(MODELS / name, precision))
        sequence = FakeSequence(1, [3, 14, 15, 9], list(range(4)), **WISHES)
        generate(engine, sequence, num_tokens=8)
        outputs.append(sequence.output)
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) == 8


def test_arrays_are_closed_to_the_host() -> None:
    """A test of the test."""
    array = OpaqueDevice().allocate(16)
    with pytest.raises(TypeError, match="cannot read"):
        np.asarray(array)
    with pytest.raises(TypeError, match="assignment"):
        array[0] = 1  # type: ignore[index]
