"""Kernel files become libraries once, and again when anything they are made of changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.device import KernelSource
from tests.cuda_emulator import compiler
from tests.cuda_emulator.device import EmulatedDevice

FILL = """
#include "value.cuh"
#define NAMED(NAME) extern "C" __global__ void __launch_bounds__(32, 2) NAME(float* out)
template <int COUNT>
struct Shared {
    static __device__ float of_first_thread(float value)
    {
        __shared__ float values[COUNT];
        values[threadIdx.x] = value;
        __syncthreads();
        return values[0];
    }
};
NAMED(fill) { out[threadIdx.x] = Shared<32>::of_first_thread(VALUE + SCALE); }
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With one kernel file, and a cache of its own."""
    monkeypatch.setenv(compiler.CACHE_VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "fill.cu").write_text(FILL)
    (tmp_path / "value.cuh").write_text("#define VALUE 1\n")
    return tmp_path


def filled(folder: Path, scale: int = 0) -> float:
    device = EmulatedDevice(folder=folder)
    out = np.zeros(32, np.float32)
    source = KernelSource("fill.cu", (("SCALE", scale),))
    device.kernels(source)["fill"]((1, 1, 1), (32, 1, 1), [out])
    assert (out == out[0]).all()
    return float(out[0])


def test_library_is_made_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert filled(folder) == 1
    monkeypatch.setattr(compiler, "_run", lambda arguments: pytest.fail(f"g++ {arguments}"))
    assert filled(folder) == 1


def test_changed_header_makes_another_library(folder: Path) -> None:
    assert filled(folder) == 1
    (folder / "value.cuh").write_text("#define VALUE 2\n")
    assert filled(folder) == 2


def test_two_instances_of_a_file_live_side_by_side(folder: Path) -> None:
    assert [filled(folder, scale) for scale in (0, 10, 0)] == [1, 11, 1]


def test_compile_error_names_file_and_line(folder: Path) -> None:
    (folder / "value.cuh").write_text("#define VALUE (1 + )\n")
    with pytest.raises(
        DeviceError, match=r"(?s)g\+\+ refuses this kernel file.*fill\.cu:14:\d+: error:"
    ):
        filled(folder)


def test_missing_constant_is_a_clear_error(folder: Path) -> None:
    (folder / "value.cuh").write_text('#error "fill.cu needs VALUE"\n')
    with pytest.raises(
        DeviceError, match=r"value\.cuh:1:\d+: error: #error \"fill\.cu needs VALUE\""
    ):
        filled(folder)


def test_unknown_function_is_an_error_of_the_build(folder: Path) -> None:
    (folder / "value.cuh").write_text("float elsewhere();\n#define VALUE elsewhere()\n")
    with pytest.raises(DeviceError, match="undefined reference to `elsewhere"):
        filled(folder)
