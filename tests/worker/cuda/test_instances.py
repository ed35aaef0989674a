"""What is compiled ahead is what a model asks for, no more and no less."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.instances import kernel_sources
from forge_worker.cuda.precision import Precision
from tests.cuda_emulator import EmulatedDevice
from tests.worker.cuda.engines import engine_of, sizes_of
from tests.worker.cuda.model_shapes import LLAMA_1B
from tests.worker.cuda.model_shapes import sizes_of as sizes_of_shape

MODELS = Path(__file__).parents[2] / "golden" / "models"
OF_THE_LIBRARY = {"bias.cu"}  # cublasLt's, which the emulator has no part in


def asked_for(path: Path, precision: Precision, *, is_deterministic: bool) -> set[KernelSource]:
    device = EmulatedDevice()
    engine_of(device, path, sizes_of(path, precision, is_deterministic=is_deterministic))
    return set(device._kernels)


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("is_deterministic", [False, True])
@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe", "gemma2"])
def test_a_model_asks_for_what_was_compiled(
    name: str, precision: Precision, is_deterministic: bool
) -> None:
    path = MODELS / name
    sizes = sizes_of(path, precision, is_deterministic=is_deterministic)
    sources = kernel_sources(sizes)
    assert len(set(sources)) == len(sources)
    expected = {source for source in sources if source.file not in OF_THE_LIBRARY}
    assert asked_for(path, precision, is_deterministic=is_deterministic) == expected


def test_model_that_kernels_cannot_serve_is_refused_before_any_is_compiled() -> None:
    odd = LLAMA_1B._replace(hidden_size=2049)
    with pytest.raises(DeviceError, match="2049"):
        kernel_sources(sizes_of_shape(odd, Precision.BFLOAT16))
