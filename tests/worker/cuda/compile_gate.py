"""Compile kernels for GPUs nobody has at hand, side by side, and see what registers they take.

`python -m tests.worker.cuda.compile_gate norm.cu ELEMENT=Bf16 HIDDEN_SIZE=4096` prints it for one
file and all architectures; the file is one of `kernels/`, or a path.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from forge_common.errors import DeviceError
from forge_worker.cuda.cubin_cache import CubinCache
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.kernel_compiler import KernelCompiler
from forge_worker.cuda.libraries import open_library
from forge_worker.cuda.nvrtc import KernelUsage, Nvrtc
from forge_worker.cuda.program import KERNELS, read_program

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


class Job(NamedTuple):
    source: KernelSource
    architecture: str


class Compiled(NamedTuple):
    source: KernelSource
    architecture: str
    usage: KernelUsage


@cache
def nvrtc() -> Nvrtc:
    return Nvrtc(open_library("nvrtc"))


@cache
def compiler(architecture: str) -> KernelCompiler:
    """One that remembers from run to run what it compiled before."""
    folder = Path(tempfile.gettempdir()) / f"forge-compile-gate-{os.getuid()}"
    return KernelCompiler(nvrtc(), architecture, CubinCache(folder))


def compile_all(jobs: Iterable[Job]) -> list[Compiled]:
    """Every kernel of every different source, for its architectures."""
    wanted = list(dict.fromkeys(jobs))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        usages = list(pool.map(_usages, wanted))
    return [
        Compiled(*job, usage)
        for job, of_job in zip(wanted, usages, strict=True)
        for usage in of_job
    ]


def _usages(job: Job) -> tuple[KernelUsage, ...]:
    return compiler(job.architecture).compile(job.source).kernels


def main(file: str, *constants: str) -> None:
    pairs = [constant.partition("=") for constant in constants]
    source = KernelSource(Path(file).name, tuple((name, value) for name, _, value in pairs))
    folder = Path(file).parent if Path(file).is_file() else KERNELS
    print(f"{'kernel':40}{'arch':8}registers  shared  stack  spilled")
    for architecture in ARCHITECTURES:
        compilation = nvrtc().compile(read_program(source, architecture, folder))
        for usage in compilation.kernels:
            _print(architecture, usage)


def _print(architecture: str, usage: KernelUsage) -> None:
    spilled_bytes = usage.spill_store_bytes + usage.spill_load_bytes
    print(
        f"{usage.name:40}{architecture:8}{usage.num_registers:9}"
        f"{usage.static_shared_bytes:8}{usage.stack_bytes:7}{spilled_bytes:9}"
    )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except DeviceError as error:
        sys.exit(str(error))
