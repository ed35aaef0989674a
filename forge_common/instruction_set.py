"""Which vector instructions the CPU worker's kernels may use, from the host's CPU features.

An instruction that a host lacks must never be compiled: LLVM would end the process. So everything
that emits instructions asks the one InstructionSet chosen here. The launcher chooses as the worker
does, since the plan of memory depends on it. Knows no kernel.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import Literal, NamedTuple

from forge_common.config import CpuKernels
from forge_common.errors import ConfigError

InstructionSetName = Literal["avx512-bf16", "avx512-vnni", "avx512", "avx2", "neon"]
Int8Dot = Literal["vnni-512", "vnni-256", "widened"]


class InstructionSet(NamedTuple):
    name: InstructionSetName
    int8_dot: Int8Dot  # how bytes are multiplied and summed by fours
    has_bf16_dot: bool  # products of pairs of bfloat16, summed in float32
    num_registers: int  # of 16 float32 each, or as many pairs or fours of narrower ones


AVX512 = frozenset({"avx512f", "avx512bw", "avx512vl", "avx512dq", "fma", "f16c"})
REQUIRED: Mapping[InstructionSetName, frozenset[str]] = MappingProxyType(
    {
        "avx512-bf16": AVX512 | {"avx512vnni", "avx512bf16"},
        "avx512-vnni": AVX512 | {"avx512vnni"},
        "avx512": AVX512,
        "avx2": frozenset({"avx2", "fma", "f16c"}),
        "neon": frozenset({"neon"}),
    }
)


def host_instruction_set(asked: CpuKernels) -> InstructionSet | None:
    """As `choose_instruction_set`, of this machine; None too where numba is not installed."""
    if asked == "numpy" or (asked == "auto" and find_spec("numba") is None):
        return None
    return choose_instruction_set(asked, host_features())


def host_features() -> frozenset[str]:
    """As LLVM names them."""
    from llvmlite.binding import get_host_cpu_features

    return frozenset(name for name, is_there in get_host_cpu_features().items() if is_there)


def choose_instruction_set(asked: CpuKernels, features: frozenset[str]) -> InstructionSet | None:
    """None where NumPy is to compute. ConfigError where the host has not what was asked for."""
    if asked == "numpy":
        return None
    if asked == "auto":
        best = (name for name, required in REQUIRED.items() if required <= features)
        name = next(best, None)
        return None if name is None else instruction_set(name, features)
    missing = sorted(REQUIRED[asked] - features)
    if missing:
        raise ConfigError(f"--cpu-kernels {asked}: this processor has no {', '.join(missing)}")
    return instruction_set(asked, features)


def instruction_set(name: InstructionSetName, features: frozenset[str]) -> InstructionSet:
    if name in ("avx512-bf16", "avx512-vnni"):
        return InstructionSet(name, "vnni-512", name == "avx512-bf16", num_registers=32)
    if name == "avx512":
        return InstructionSet(name, "widened", False, num_registers=32)
    if name == "neon":
        return InstructionSet(name, "widened", False, num_registers=8)
    return InstructionSet(name, "vnni-256" if "avxvnni" in features else "widened", False, 8)
