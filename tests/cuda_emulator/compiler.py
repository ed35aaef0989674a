"""From a kernel file to a library: g++, with a cache keyed by everything that goes into it.

A file is preprocessed, and every `extern "C" __global__` function found in the result gets a C
function through which Python launches it. The runtime, which all kernels share, is a library of its
own. Knows nothing of arrays.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from forge_worker.cuda.device import KernelSource
from tests.cuda_emulator.faults import CompileError

CACHE_VARIABLE = "FORGE_EMULATOR_CACHE"
RUNTIME_FOLDER = Path(__file__).with_name("cpp")
COMMON_FLAGS = (
    "-std=c++17",
    "-O2",
    "-march=native",
    "-fPIC",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-strict-aliasing",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fno-gnu-unique",
)
KERNEL_FLAGS = (
    "-w",  # warnings are NVRTC's business
    "-DFORGE_EMULATOR",
    "-g1",  # lines, for the message of a fault
    "-fvisibility=hidden",
    "-fno-extern-tls-init",
)
CHECKS = "-fsanitize=alignment,bounds,shift-exponent"  # cpp/sanitizer.cpp says what happens then

_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
_KERNEL = re.compile(
    r'extern\s+"C"\s+__attribute__\(\(used\)\)\s+void\s+'
    r"(?:\[\[emulator::launch_bounds\((?P<bounds>[^\]]*)\)\]\]\s*)?(?P<name>\w+)\s*\("
)


class CompiledFile(NamedTuple):
    path: Path
    kernels: tuple[str, ...]


def compile_kernels(source: KernelSource, folder: Path) -> CompiledFile:
    """The library of a file and the names of its kernels; only names are kept beside it."""
    file = folder / source.file
    defines = [f"-D{name}={value}" for name, value in source.constants]
    key = _key([file, *_included(file), *_headers()], defines)
    library = _cache_folder() / f"{file.stem}-{key}.so"
    names = library.with_suffix(".kernels")
    if not (library.exists() and names.exists()):
        flags = [*KERNEL_FLAGS, *_search(folder), *defines, "-include", "emulator.h"]
        text = _run(["-E", *flags, "-x", "c++", file])
        found = list(_KERNEL.finditer(text))
        _build(text + "".join(map(_entry, found)), library)
        _write(names, " ".join(match["name"] for match in found))
    return CompiledFile(library, tuple(names.read_text().split()))


@cache
def runtime_library() -> Path:
    sources = sorted(RUNTIME_FOLDER.glob("*.cpp"))
    library = _cache_folder() / f"runtime-{_key([*sources, *_headers()], [])}.so"
    if not library.exists():
        _finish(["-shared", "-Wall", "-Wextra", *sources], library)
    return library


def _entry(match: re.Match[str]) -> str:
    """The two C functions of one kernel: what it takes, and its launch."""
    name, bounds = match["name"], match["bounds"] or "0"
    exported = 'extern "C" __attribute__((visibility("default"))) const char*'
    return (
        f"{exported} signature_{name}() {{ return emulator::signature({name}); }}\n"
        f"{exported} launch_{name}(const emulator::Request& request) "
        f"{{ return emulator::launch({name}, emulator::first({bounds}), request); }}\n"
    )


def _build(preprocessed: str, library: Path) -> None:
    """Compile and link apart: linking with CHECKS would add the compiler's own sanitizer."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "kernels.ii"
        text.write_text(preprocessed)
        code = text.with_suffix(".o")
        _run([*KERNEL_FLAGS, CHECKS, "-c", text, "-o", code])
        _finish(["-shared", "-Wl,-z,defs", code, runtime_library()], library)


def _finish(arguments: Iterable[str | Path], library: Path) -> None:
    """Compile under a name of our own, then rename: others may be compiling the same."""
    unfinished = library.with_suffix(f".{os.getpid()}")
    _run([*arguments, "-o", unfinished])
    unfinished.replace(library)


def _run(arguments: Iterable[str | Path]) -> str:
    command = ["g++", *COMMON_FLAGS, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise CompileError(f"g++ refuses this kernel file:\n{done.stderr}")
    return done.stdout


def _search(folder: Path) -> tuple[str, ...]:
    kernels = Path(__file__).parents[2] / "forge_worker" / "cuda" / "kernels"
    return tuple(f"-I{path}" for path in (folder, kernels, RUNTIME_FOLDER))


def _included(file: Path) -> list[Path]:
    """Every file of ours that `file` includes, directly or not, in a fixed order."""
    found: dict[Path, None] = {}
    pending = [file]
    while pending:
        current = pending.pop()
        for name in _INCLUDE.findall(current.read_text()):
            for folder in (current.parent, *(Path(flag[2:]) for flag in _search(file.parent))):
                path = folder / name
                if path.exists() and path not in found:
                    found[path] = None
                    pending.append(path)
                    break
    return sorted(found)


def _headers() -> list[Path]:
    return sorted(RUNTIME_FOLDER.glob("*.h"))


def _key(files: Iterable[Path], defines: Sequence[str]) -> str:
    digest = hashlib.sha256(_machine().encode())
    digest.update(repr((COMMON_FLAGS, KERNEL_FLAGS, CHECKS, defines)).encode())
    digest.update(Path(__file__).read_bytes())
    for file in files:
        digest.update(f"\0{file.name}\0".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


@cache
def _machine() -> str:
    """What -march=native means here, and which compiler it is."""
    command = ["g++", "-march=native", "-Q", "--help=target", "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _cache_folder() -> Path:
    default = Path(tempfile.gettempdir()) / f"forge-emulator-{os.getuid()}"
    folder = Path(os.environ.get(CACHE_VARIABLE, default))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def _write(path: Path, text: str) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}.names")
    unfinished.write_text(text)
    unfinished.replace(path)
