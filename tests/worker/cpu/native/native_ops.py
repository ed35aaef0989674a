"""NativeOps for tests: of any instruction set the host can run, on any number of threads."""

from __future__ import annotations

from functools import cache

import numpy as np

from forge_common.config import QuantizeName
from forge_common.instruction_set import (
    REQUIRED,
    InstructionSet,
    InstructionSetName,
    host_features,
    instruction_set,
)
from forge_common.weight_format import FormatName, WeightChoice
from forge_worker.cpu.native.kernels import Kernels
from forge_worker.cpu.native.ops import NativeOps, NumberChoice
from forge_worker.cpu.native.packing import PackedMatrix
from forge_worker.forward_inputs import FloatArray
from forge_worker.weights.stored_tensor import StoredTensor

DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "q8_0": "auto"}
FORMAT_NAMES: tuple[FormatName, ...] = ("f32", "f16", "bf16", "q8_0")  # of plain numbers
BLOCK_FORMAT_NAMES: tuple[QuantizeName, ...] = ("q4_0", "q4_k", "q5_k", "q6_k")


def _sets() -> list[InstructionSet]:
    """Every one that this machine has, and AVX2 both with and without products of bytes."""
    features = host_features()
    names = [name for name, required in REQUIRED.items() if required <= features]
    found = [instruction_set(name, features) for name in names]
    plain = instruction_set("avx2", frozenset())
    return [*found, plain] if "avx2" in names and plain not in found else found


SETS = {f"{found.name} {found.int8_dot}": found for found in _sets()}


@cache
def kernels(label: str) -> Kernels:
    return Kernels(SETS[label])


def best() -> str:
    return next(iter(SETS))


def make_ops(name: FormatName, label: str | None = None, num_threads: int = 1) -> NativeOps:
    quantize: QuantizeName = "q8_0" if name == "q8_0" else "none"
    choice = WeightChoice(DTYPES[name], quantize)  # type: ignore[arg-type]
    return NativeOps(kernels(label or best()), NumberChoice(choice, "float32"), num_threads)


def make_block_ops(
    quantize: QuantizeName, label: str | None = None, num_threads: int = 1
) -> NativeOps:
    """Of what files hold, or else of `quantize`."""
    choice = NumberChoice(WeightChoice("auto", quantize), "float32")
    return NativeOps(kernels(label or best()), choice, num_threads)


def placed(ops: NativeOps, *weights: FloatArray) -> PackedMatrix:
    matrix = ops.place([StoredTensor("F32", weight) for weight in weights])
    assert isinstance(matrix, PackedMatrix)
    return matrix


def normal(seed: int, *shape: int) -> FloatArray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


__all__ = ["FORMAT_NAMES", "SETS", "InstructionSetName", "best", "kernels", "make_ops"]
