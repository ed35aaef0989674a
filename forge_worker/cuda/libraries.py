"""NVIDIA's libraries, opened by ctypes: NVRTC, which compiles kernels, and cublasLt, for products.

They come as Python wheels (`forge-server[cuda13]`), with a CUDA toolkit, or from the system, and no
variable needs to be set for the first two. Knows no function of either.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from forge_common.errors import DeviceError

LibraryName = Literal["nvrtc", "cublasLt"]

MAJORS = (13, 12)  # of CUDA, the preferred one first
_WHEEL_FOLDERS = {  # below `nvidia/` in site-packages; from CUDA 13 on all libraries share one
    13: {"nvrtc": "cu13", "cublasLt": "cu13"},
    12: {"nvrtc": "cuda_nvrtc", "cublasLt": "cublas"},
}
_TOOLKIT_VARIABLES = ("CUDA_PATH", "CUDA_HOME")
_TOOLKIT = "/usr/local/cuda"
_LIBRARY_FOLDERS = ("lib64", "lib")


def majors_for(driver_version: int) -> list[int]:
    """The versions of CUDA a driver can serve, by what it says of itself: 1000 · major + …"""
    return [major for major in MAJORS if major <= driver_version // 1000]


def open_library(name: LibraryName, majors: Sequence[int] = MAJORS) -> ctypes.CDLL:
    """The library for the first of these CUDA versions that is to be found."""
    candidates = [path for major in majors for path in places(name, major, os.environ, sys.path)]
    for path in candidates:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    raise DeviceError(
        f"lib{name} is missing: install forge-server[cuda13] or a CUDA toolkit"
        f" (looked for {', '.join(candidates)})"
    )


def places(
    name: LibraryName, major: int, environment: Mapping[str, str], search_path: Sequence[str]
) -> Iterator[str]:
    """Where the library may lie; last its bare name, which the system's loader looks up."""
    file = f"lib{name}.so.{major}"
    for folder in search_path:
        path = Path(folder, "nvidia", _WHEEL_FOLDERS[major][name], "lib", file)
        if path.is_file():
            yield str(path)
    stated = [environment[variable] for variable in _TOOLKIT_VARIABLES if variable in environment]
    for toolkit in (*stated, f"{_TOOLKIT}-{major}", _TOOLKIT):
        yield from (str(Path(toolkit, folder, file)) for folder in _LIBRARY_FOLDERS)
    yield file
