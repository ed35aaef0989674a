"""Compile kernels for GPUs nobody has at hand, side by side, and see what registers they take.

`python -m tests.worker.cuda.compile_gate norm.cu ELEMENT=Bf16 HIDDEN_SIZE=4096` prints it for one
file and all architectures; the file is one of `kernels/`, or a path.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import NamedTuple

from forge_common.errors import DeviceError
from forge_worker.cuda.device import KernelSource
from forge_worker.cuda.libraries import open_library
from forge_worker.cuda.nvrtc import KernelUsage, Nvrtc
from forge_worker.cuda.program import KERNELS, Program, read_program

ARCHITECTURES = ("sm_80", "sm_90", "sm_100")


class Compiled(NamedTuple):
    source: KernelSource
    architecture: str
    usage: KernelUsage


@cache
def nvrtc() -> Nvrtc:
    return Nvrtc(open_library("nvrtc"))


def compile_all(
    sources: Iterable[KernelSource], architectures: tuple[str, ...], folder: Path = KERNELS
) -> list[Compiled]:
    """Every kernel of every different source, for every architecture."""
    jobs = [(source, arch) for source in dict.fromkeys(sources) for arch in architectures]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        programs = [read_program(*job, folder) for job in jobs]
        usages = pool.map(_usages, programs)
        return [
            Compiled(*job, usage)
            for job, of_job in zip(jobs, usages, strict=True)
            for usage in of_job
        ]


def _usages(program: Program) -> tuple[KernelUsage, ...]:
    return nvrtc().compile(program).kernels


def main(file: str, *constants: str) -> None:
    pairs = tuple(tuple(constant.split("=", 1)) for constant in constants)
    source = KernelSource(Path(file).name, pairs)
    folder = Path(file).parent if Path(file).is_file() else KERNELS
    print(f"{'kernel':40}{'arch':8}registers  shared  stack  spilled")
    for one in compile_all([source], ARCHITECTURES, folder):
        usage = one.usage
        spilled = usage.spill_store_bytes + usage.spill_load_bytes
        print(
            f"{usage.name:40}{one.architecture:8}{usage.num_registers:9}"
            f"{usage.static_shared_bytes:8}{usage.stack_bytes:7}{spilled:9}"
        )


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except DeviceError as error:
        sys.exit(str(error))
