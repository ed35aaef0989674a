"""llama.cpp as a peer: its tree out of the sdist of `llama-cpp-python`, built for this machine.

A directory of its own holds everything, and what stands there is taken as it is. Nothing of it is
part of Forge. Needs a C++ compiler; CMake and Ninja come with pip. Knows no numbers of Forge's.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.cpu.cases import Load

SDIST = "llama-cpp-python==0.3.36"  # whose llama.cpp the numbers in docs were measured with
PROGRAMS = ("llama-batched-bench", "llama-quantize", "llama-server")
SETTINGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DGGML_NATIVE=ON",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DLLAMA_CURL=OFF",
    "-DLLAMA_BUILD_TESTS=OFF",
)
BATCH = 2048
MICRO_BATCH = 512


class LlamaCpp:
    """The programs in `directory`/build/bin."""

    def __init__(self, directory: Path) -> None:
        self._programs = directory / "build" / "bin"

    def quantize(self, source: Path, target: Path, format_name: str) -> None:
        self._run("llama-quantize", [str(source), str(target), format_name])

    def seconds(self, model: Path, load: Load, num_threads: int) -> float:
        """Of the prompt where the load is one, else of the tokens after it."""
        num_cells = load.batch_size * (load.context + load.num_steps)
        printed = self._run(
            "llama-batched-bench",
            [
                *("-m", str(model), "-c", str(num_cells + MICRO_BATCH)),
                *("-b", str(BATCH), "-ub", str(MICRO_BATCH)),
                *("-t", str(num_threads), "-tb", str(num_threads)),
                *("-npp", str(load.context), "-ntg", str(load.num_steps)),
                *("-npl", str(load.batch_size), "--output-format", "jsonl"),
            ],
        )
        lines = [line for line in printed.splitlines() if line.startswith("{")]
        result = json.loads(lines[-1])
        return float(result["t_pp" if load.is_prefill else "t_tg"])

    def server(self) -> Path:
        return self._programs / "llama-server"

    def _run(self, program: str, arguments: Sequence[str]) -> str:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout


def obtain(directory: Path) -> LlamaCpp:
    """Fetched and built where it is not there yet: some minutes."""
    if not all((directory / "build" / "bin" / program).exists() for program in PROGRAMS):
        directory.mkdir(parents=True, exist_ok=True)
        _build(_source(directory), directory)
    return LlamaCpp(directory)


def _source(directory: Path) -> Path:
    """The tree of llama.cpp that the sdist carries."""
    found = sorted(directory.glob("llama_cpp_python-*/vendor/llama.cpp"))
    if found:
        return found[-1]
    tools = _tools(directory)
    print("… fetching llama.cpp", file=sys.stderr, flush=True)
    download = [tools / "python", "-m", "pip", "download", "--quiet", "--dest", directory]
    as_source = ["--no-deps", "--no-binary=:all:", "--no-build-isolation", SDIST]
    subprocess.run([*download, *as_source], check=True)
    (archive,) = directory.glob("llama_cpp_python-*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(directory, filter="data")
    return _source(directory)


def _build(source: Path, directory: Path) -> None:
    tools = _tools(directory)
    print("… building llama.cpp", file=sys.stderr, flush=True)
    build = directory / "build"
    log = directory / "build.log"
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tools / 'ninja'}"]
    with log.open("wb") as file:
        for command in (
            [tools / "cmake", "-S", source, "-B", build, *generator, *SETTINGS],
            [tools / "cmake", "--build", build, f"-j{os.cpu_count()}", "--target", *PROGRAMS],
        ):
            done = subprocess.run(command, check=False, stdout=file, stderr=subprocess.STDOUT)
            if done.returncode:
                raise RuntimeError(f"llama.cpp could not be built: see {log}")


def _tools(directory: Path) -> Path:
    """The programs of a virtual environment with what builds an sdist."""
    environment = directory / "tools"
    if not (environment / "bin" / "ninja").exists():
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        needed = ["cmake", "ninja", "scikit-build-core[pyproject]"]
        subprocess.run(
            [environment / "bin" / "pip", "install", "--quiet", *needed],
            check=True,
        )
    return environment / "bin"
