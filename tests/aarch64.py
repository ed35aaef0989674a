"""Runs tests on an emulated AArch64 processor: `python -m tests.aarch64 FOLDER PROCESSOR TEST...`

Needs QEMU's user mode and mmdebstrap (on Debian: qemu-user-static, mmdebstrap). FOLDER receives
Debian's Python for arm64 and the packages of this environment, 0.5 GB, once. Compiling is slow
there, some minutes for each format of weights, and kept in FOLDER. LLVM reads in /proc/cpuinfo what
it may compile, which must therefore tell of PROCESSOR and not of the host. One run at a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

REPOSITORY = Path(__file__).parent.parent
SUITE, PYTHON = "bookworm", "3.11"
PLATFORMS = ("manylinux_2_17_aarch64", "manylinux_2_27_aarch64", "manylinux_2_28_aarch64")
PACKAGES = (
    *("aiohttp", "click", "hypothesis", "interegular", "jinja2", "msgspec", "numba", "numpy"),
    *("prometheus-client", "pytest", "pyzmq", "safetensors", "tokenizers"),
)
BASE = "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"
DOT = f"{BASE} atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp ssbs"


class Processor(NamedTuple):
    emulated: str  # as QEMU calls what has these features and perhaps more
    part: str  # number of the design among Arm's
    features: str


PROCESSORS: Mapping[str, Processor] = MappingProxyType(
    {
        "cortex-a72": Processor("cortex-a72", "0xd08", BASE),
        "neoverse-n1": Processor("neoverse-n1", "0xd0c", DOT),
        "neoverse-v1": Processor("max", "0xd40", f"{DOT} sha3 sve i8mm bf16 svei8mm svebf16 rng"),
    }
)


def install(root: Path, site: Path) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    include = f"--include=python{PYTHON},libstdc++6"
    kind = ("--architectures=arm64", "--variant=extract", include)
    subprocess.run(["mmdebstrap", *kind, SUITE, str(root)], check=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(site)]
    how = ["--only-binary=:all:", "--implementation=cp", f"--python-version={PYTHON}"]
    platforms = [f"--platform={name}" for name in PLATFORMS]
    packages = [f"{name}=={version(name)}" for name in PACKAGES]
    subprocess.run([*pip, *how, *platforms, *packages], check=True)


def tell_of(processor: Processor, root: Path) -> None:
    facts = {
        "Features": processor.features,
        "CPU implementer": "0x41",
        "CPU architecture": "8",
        "CPU variant": "0x1",
        "CPU part": processor.part,
        "CPU revision": "1",
    }
    path = root / "proc" / "cpuinfo"
    path.parent.mkdir(exist_ok=True)
    lines = [f"{name}\t: {value}" for name, value in ({"processor": "0"} | facts).items()]
    path.write_text("\n".join(lines) + "\n\n")


def run(folder: Path, name: str, tests: Sequence[str]) -> int:
    root, site = folder / "root", folder / "site"
    if not site.exists():
        install(root, site)
    tell_of(PROCESSORS[name], root)
    qemu = ["qemu-aarch64-static", "-cpu", PROCESSORS[name].emulated, "-L", str(root)]
    python = [str(root / f"usr/bin/python{PYTHON}"), "-m", "pytest", "-p", "no:cacheprovider"]
    places = {"PYTHONPATH": f"{REPOSITORY}:{site}", "NUMBA_CACHE_DIR": str(folder / "cache")}
    environment = {**os.environ, **places}
    return subprocess.run(
        [*qemu, *python, *tests], env=environment, cwd=REPOSITORY, check=False
    ).returncode


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("processor", choices=PROCESSORS)
    arguments, tests = parser.parse_known_args()
    sys.exit(run(arguments.folder.resolve(), arguments.processor, tests))


if __name__ == "__main__":
    main()
