"""From a kernel file to a library: g++, with a cache keyed by everything that goes into it.

A file is preprocessed, and every `extern "C" __global__` function found in the result gets a C
function through which Python launches it. The runtime, which all kernels share, is a library of its
own. Libraries are built for the very processor they run on. Knows nothing of arrays.
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

import forge_worker.cuda
from forge_worker.cuda.device import KernelSource
from tests.cuda_emulator.faults import CompileError

CACHE_VARIABLE = "FORGE_EMULATOR_CACHE"
KERNELS_FOLDER = Path(forge_worker.cuda.__file__).with_name("kernels")
RUNTIME_FOLDER = Path(__file__).with_name("cpp")
COMMON_FLAGS = (
    "-std=c++17",
    "-march=native",
    "-fPIC",
    "-fno-exceptions",
    "-fno-rtti",
    "-fno-strict-aliasing",
    "-fno-stack-protector",
    "-fcf-protection=none",
)
RUNTIME_FLAGS = (
    "-O2",
    "-shared",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wl,-soname,emulator-runtime.so",  # kernels find it loaded, whichever folder it came from
)
KERNEL_FLAGS = (
    "-O1",  # compiles a sixth faster than -O2; with peeled loops, kernels are as fast
    "-fpeel-loops",
    "-w",  # warnings are NVRTC's business
    "-DFORGE_EMULATOR",
    "-g1",  # lines, for the message of a fault
    "-fvisibility=hidden",
    "-fno-gnu-unique",  # two instances of a file must not share their variables
    "-fno-extern-tls-init",  # shared memory is thread_local, and needs no constructor
)
CHECKS = "-fsanitize=alignment,bounds,shift-exponent"  # cpp/sanitizer.cpp says what happens then

_INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)
_KERNEL = re.compile(
    r'extern\s+"C"\s+__attribute__\(\(used\)\)\s+void\s+'
    r"(?:\[\[emulator::launch_bounds\((?P<bounds>[^\]]*)\)\]\]\s*)?(?P<name>\w+)\s*\("
)


# What is added for a kernel: the letters of its arguments, and its launch.
_ENTRY = """
extern "C" __attribute__((visibility("default"))) const char* signature_{name}()
{{
    return emulator::signature({name});
}}

extern "C" __attribute__((visibility("default"))) const char* launch_{name}(
    const emulator::Request& request)
{{
    return emulator::launch({name}, emulator::first({bounds}), request);
}}
"""


class CompiledFile(NamedTuple):
    path: Path
    kernels: tuple[str, ...]


def compile_kernels(source: KernelSource, folder: Path) -> CompiledFile:
    """The library of a file and the names of its kernels, which are kept beside it."""
    runtime = runtime_library()
    file = folder / source.file
    defines = [f"-D{name}={value}" for name, value in source.constants]
    search = (folder, KERNELS_FOLDER, RUNTIME_FOLDER)
    key = _key([file, *_included(file, search), *RUNTIME_FOLDER.iterdir()], defines)
    library = _cache_folder() / f"{file.stem}-{key}.so"
    names = library.with_suffix(".kernels")
    if not (library.exists() and names.exists()):
        flags = [*KERNEL_FLAGS, *(f"-I{path}" for path in search), *defines]
        text = _run(["-E", *flags, "-include", "emulator.h", "-x", "c++", file])
        found = list(_KERNEL.finditer(text))
        entries = [
            _ENTRY.format(name=match["name"], bounds=match["bounds"] or 0) for match in found
        ]
        _build(text + "".join(entries), library, runtime)
        _write(names, " ".join(match["name"] for match in found))
    return CompiledFile(library, tuple(names.read_text().split()))


def runtime_library() -> Path:
    """In the same folder as the libraries that are linked to it, wherever that is at the moment."""
    library = _cache_folder() / f"runtime-{_key(RUNTIME_FOLDER.iterdir(), [])}.so"
    if not library.exists():
        sources = sorted(RUNTIME_FOLDER.glob("*.cpp"))
        _finish([*RUNTIME_FLAGS, *sources], library)
    return library


def _build(preprocessed: str, library: Path, runtime: Path) -> None:
    """Compile and link apart: linking with CHECKS would add the compiler's own sanitizer."""
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder) / "kernels.ii"
        text.write_text(preprocessed)
        code = text.with_suffix(".o")
        _run([*KERNEL_FLAGS, CHECKS, "-c", text, "-o", code])
        _finish(["-shared", "-Wl,-z,defs", code, runtime], library)


def _finish(arguments: Iterable[str | Path], library: Path) -> None:
    """Compile under a name of our own, then rename: others may be compiling the same."""
    unfinished = library.with_suffix(f".{os.getpid()}")
    _run([*arguments, "-o", unfinished])
    unfinished.replace(library)


def _run(arguments: Iterable[str | Path]) -> str:
    command = ["g++", *COMMON_FLAGS, *map(str, arguments)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise CompileError("The emulator needs g++, and there is none") from None
    if done.returncode != 0:
        raise CompileError(f"g++ refuses this kernel file:\n{done.stderr}")
    return done.stdout


def _included(file: Path, search: Sequence[Path]) -> list[Path]:
    """Every file of ours that `file` includes, directly or not."""
    found: list[Path] = []
    pending = [file]
    while pending:
        current = pending.pop()
        for name in _INCLUDE.findall(current.read_text()):
            folders = (current.parent, *search)
            path = next((folder / name for folder in folders if (folder / name).exists()), None)
            if path is not None and path not in found:
                found.append(path)
                pending.append(path)
    return found


def _key(files: Iterable[Path], defines: Sequence[str]) -> str:
    flags = (COMMON_FLAGS, RUNTIME_FLAGS, KERNEL_FLAGS, CHECKS, _ENTRY, tuple(defines))
    digest = hashlib.sha256(f"{_machine()}\n{flags}".encode())
    for file in sorted(files):
        digest.update(f"\n{file.name}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:24]


@cache
def _machine() -> str:
    """Which compiler there is, and what -march=native means to it here."""
    command = ["g++", "-march=native", "-Q", "--help=target", "--version"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise CompileError("The emulator needs g++, and there is none") from None


def _cache_folder() -> Path:
    default = Path(tempfile.gettempdir()) / f"forge-emulator-{os.getuid()}"
    folder = Path(os.environ.get(CACHE_VARIABLE, default))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise CompileError(f"{folder} belongs to somebody else: set {CACHE_VARIABLE} to another")
    return folder


def _write(path: Path, text: str) -> None:
    unfinished = path.with_suffix(f".{os.getpid()}.names")
    unfinished.write_text(text)
    unfinished.replace(path)
