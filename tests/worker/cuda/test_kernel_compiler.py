"""Each kernel source goes through the compiler once, whoever asks and in whichever process."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from forge_worker.cuda.cubin_cache import CubinCache
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.kernel_compiler import KernelCompiler
from forge_worker.cuda.nvrtc import Compilation, NvrtcVersion
from forge_worker.cuda.program import KERNELS, Program

FILE = min(path.name for path in KERNELS.glob("*.cu"))
SOURCES = [KernelSource(FILE, (("NUMBER", number),)) for number in (1, 2, 1)]


class CountingNvrtc:
    version = NvrtcVersion(13, 0)

    def __init__(self) -> None:
        self.compiled: list[Program] = []

    def compile(self, program: Program) -> Compilation:
        self.compiled.append(program)
        return Compilation(program.options[-1].encode(), ())


def compiler(nvrtc: CountingNvrtc, folder: Path, architecture: str = "sm_90") -> KernelCompiler:
    return KernelCompiler(nvrtc, architecture, CubinCache(folder))  # type: ignore[arg-type]


def test_second_start_compiles_nothing(tmp_path: Path) -> None:
    nvrtc = CountingNvrtc()
    first, second = compiler(nvrtc, tmp_path), compiler(nvrtc, tmp_path)
    assert first.compile(SOURCES[0]) == second.compile(SOURCES[0])
    assert len(nvrtc.compiled) == 1


def test_other_gpu_gets_its_own_code(tmp_path: Path) -> None:
    nvrtc = CountingNvrtc()
    for architecture in ("sm_90", "sm_80"):
        compiler(nvrtc, tmp_path, architecture).compile(SOURCES[0])
    assert len(nvrtc.compiled) == 2


def test_everything_is_compiled_ahead_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nvrtc = CountingNvrtc()
    ahead = compiler(nvrtc, tmp_path)
    with caplog.at_level(logging.INFO):
        ahead.compile_ahead(SOURCES, num_threads=2)
    assert len(nvrtc.compiled) == 2
    assert "compiling 2 kernel files for sm_90" in caplog.text
    ahead.compile(SOURCES[0])
    assert len(nvrtc.compiled) == 2


def test_without_a_usable_folder_a_process_still_compiles_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    nvrtc = CountingNvrtc()
    lone = compiler(nvrtc, tmp_path / "file" / "below")
    lone.compile_ahead(SOURCES, num_threads=1)
    lone.compile(SOURCES[0])
    assert len(nvrtc.compiled) == 2
