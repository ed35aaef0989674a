"""Program: one kernel file with everything it includes, ready to be compiled for one kind of GPU.

The text is complete, so that it can be hashed and NVRTC opens no file: kernels include nothing but
each other. Knows neither NVRTC nor the cache.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from forge_worker.cuda.device import KernelSource

KERNELS = Path(__file__).parent / "kernels"

_INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)
_OPTIONS = (
    "--std=c++17",
    "--device-as-default-execution-space",  # a constexpr function needs no mark
    "--generate-line-info",  # profilers and compute-sanitizer name the line; costs no speed
    "--ptxas-options=-v",  # registers and spills, into the log
)


class Header(NamedTuple):
    name: str  # as it stands in #include
    text: str


class Program(NamedTuple):
    name: str  # "norm.cu"
    text: str
    headers: tuple[Header, ...]
    options: tuple[str, ...]


def read_program(source: KernelSource, architecture: str, folder: Path = KERNELS) -> Program:
    """`source` for GPUs of `architecture` ("sm_90"), a constant a macro."""
    text = (folder / source.file).read_text()
    constants = tuple(f"--define-macro={name}={value}" for name, value in source.constants)
    options = (f"--gpu-architecture={architecture}", *_OPTIONS, *constants)
    return Program(source.file, text, _headers(text, folder), options)


def _headers(text: str, folder: Path) -> tuple[Header, ...]:
    """All that `text` includes, directly or not, each once, in the order of their names."""
    found: dict[str, str] = {}
    waiting = _INCLUDE.findall(text)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = (folder / name).read_text()
            waiting += _INCLUDE.findall(found[name])
    return tuple(Header(name, found[name]) for name in sorted(found))
