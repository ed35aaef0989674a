"""NVRTC compiles text to cubins with no GPU, and says what each kernel takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.nvrtc import Compilation, parse_usage
from forge_worker.cuda.program import read_program
from tests.worker.cuda.compile_gate import nvrtc

HEADER = "#pragma once\nconstexpr int twice(int number) { return 2 * number; }\n"
KERNELS = """
#include "deep.cuh"
extern "C" __global__ void store(float* out) {
    __shared__ float numbers[twice(COUNT)];
    numbers[threadIdx.x] = out[threadIdx.x];
    __syncthreads();
    out[threadIdx.x] = numbers[twice(COUNT) - 1 - threadIdx.x];
}
extern "C" __global__ void index_at_run_time(float* out, int count) {
    float numbers[64];
    for (int i = 0; i < count; i++) numbers[(i * 7) & 63] += out[i];
    out[0] = numbers[count & 63];
}
extern "C" __global__ void __maxnreg__(24) spill(float* out) {
    float numbers[64];
#pragma unroll
    for (int i = 0; i < 64; i++) numbers[i] = out[i * 32 + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 64; i++) out[i * 64] = numbers[i] * numbers[63 - i];
}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "some.cu").write_text(KERNELS)
    (tmp_path / "deep.cuh").write_text('#pragma once\n  #  include "deeper.cuh"\n')
    (tmp_path / "deeper.cuh").write_text(HEADER)
    return tmp_path


def compile_in(folder: Path, count: int, architecture: str = "sm_90") -> Compilation:
    source = KernelSource("some.cu", (("COUNT", count),))
    return nvrtc().compile(read_program(source, architecture, folder))


def test_headers_and_constants_go_into_the_code(folder: Path) -> None:
    assert [
        {usage.name: usage.static_shared_bytes for usage in compile_in(folder, count).kernels}
        for count in (16, 64)
    ] == [
        {"store": 128, "index_at_run_time": 0, "spill": 0},
        {"store": 512, "index_at_run_time": 0, "spill": 0},
    ]


def test_report_tells_spills_from_arrays_indexed_at_run_time(folder: Path) -> None:
    kernels = {usage.name: usage for usage in compile_in(folder, 16).kernels}
    assert 0 < kernels["store"].num_registers < 32
    assert kernels["store"].stack_bytes == 0
    assert kernels["index_at_run_time"].stack_bytes == 256
    assert kernels["index_at_run_time"].spill_store_bytes == 0
    assert kernels["spill"].num_registers == 24
    assert min(kernels["spill"][-2:]) > 0


def test_cubin_is_an_elf_file_for_the_architecture(folder: Path) -> None:
    older, newer = (compile_in(folder, 16, arch).cubin for arch in ("sm_80", "sm_90"))
    assert older.startswith(b"\x7fELF")
    assert older != newer


def test_what_is_wrong_with_a_kernel_is_said(folder: Path) -> None:
    (folder / "some.cu").write_text('extern "C" __global__ void wrong() { int a = unknown; }')
    with pytest.raises(DeviceError, match=r'some\.cu does not compile: .*"unknown" is undefined'):
        compile_in(folder, 16)


def test_include_of_a_missing_file_is_an_error(folder: Path) -> None:
    (folder / "some.cu").write_text('#include "nowhere.cuh"')
    with pytest.raises(FileNotFoundError, match="nowhere"):
        compile_in(folder, 16)


@pytest.mark.parametrize(
    ("compute_capability", "architecture"),
    [((8, 0), "sm_80"), ((8, 6), "sm_86"), ((9, 0), "sm_90"), ((9, 9), "sm_90")],
)
def test_code_is_made_for_the_nearest_gpu_of_its_major(
    compute_capability: tuple[int, int], architecture: str
) -> None:
    assert nvrtc().architecture(compute_capability) == architecture


def test_gpu_newer_than_the_compiler_is_refused() -> None:
    with pytest.raises(DeviceError, match=r"cannot compile for GPUs of compute capability 99\.0"):
        nvrtc().architecture((99, 0))


def test_log_of_no_kernels_is_no_usage() -> None:
    assert parse_usage("ptxas info    : 0 bytes gmem\n") == ()
