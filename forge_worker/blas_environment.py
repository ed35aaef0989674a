"""What NumPy's OpenBLAS must be told through the environment, before NumPy is imported.

It must use one thread: Forge's own (`cpu/thread_pool.py`) share the products, and OpenBLAS's would
compete with them, waiting in a loop that costs several times the work on a busy machine. And it
does not know the newest AMD processors: on Zen 5 it takes its Haswell kernels, at half the speed of
those for AVX-512. What the environment says already stays. Knows nothing of NumPy itself.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
FIRST_UNKNOWN_AMD_FAMILY = 26
AVX512 = frozenset({"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"})


def prepare_blas(environment: MutableMapping[str, str]) -> None:
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    if is_misjudged(_first_processor(CPUINFO)):
        environment.setdefault("OPENBLAS_CORETYPE", "SkylakeX")


def is_misjudged(processor: dict[str, str]) -> bool:
    """Whether OpenBLAS takes kernels that are too old for a processor of /proc/cpuinfo."""
    family = processor.get("cpu family", "")
    return (
        processor.get("vendor_id") == "AuthenticAMD"
        and family.isdecimal()
        and int(family) >= FIRST_UNKNOWN_AMD_FAMILY
        and set(processor.get("flags", "").split()) >= AVX512
    )


def _first_processor(cpuinfo: Path) -> dict[str, str]:
    try:
        first = cpuinfo.read_text().partition("\n\n")[0]
    except OSError:
        return {}
    fields = (line.partition(":") for line in first.splitlines())
    return {name.strip(): value.strip() for name, _, value in fields}
