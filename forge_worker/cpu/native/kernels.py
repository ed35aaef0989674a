"""Kernels of one instruction set, each compiled when it is first needed, and kept.

Knows which kernels there are, not when they run.
"""

from __future__ import annotations

from collections.abc import Callable

from forge_worker.cpu.native.activations import compile_gate, compile_join, compile_prepare
from forge_worker.cpu.native.embedding import compile_embed
from forge_worker.cpu.native.formats import FORMATS
from forge_worker.cpu.native.gemm import compile_gemm
from forge_worker.cpu.native.host import InstructionSet
from forge_worker.cpu.native.kernel import Kernel
from forge_worker.cpu.native.packing import compile_pack
from forge_worker.cpu.native.tiles import ActivationKind, FormatName


class Kernels:
    def __init__(self, instructions: InstructionSet) -> None:
        self.instructions = instructions
        self._kernels: dict[str, Kernel] = {}

    def gemm(self, name: FormatName) -> Kernel:
        product = FORMATS[name].product
        return self._once(f"gemm_{name}", lambda n: compile_gemm(product(self.instructions), n))

    def pack(self, name: FormatName) -> Kernel:
        return self._once(f"pack_{name}", lambda _: compile_pack(FORMATS[name]))

    def embed(self, name: FormatName) -> Kernel:
        return self._once(f"embed_{name}", lambda _: compile_embed(FORMATS[name]))

    def prepare(self, kind: ActivationKind) -> Kernel:
        return self._once(f"prepare_{kind}", lambda _: compile_prepare(kind))

    def gate(self) -> Kernel:
        return self._once("gate", lambda _: compile_gate())

    def join(self) -> Kernel:
        return self._once("join", lambda _: compile_join())

    def activation(self, name: FormatName) -> ActivationKind:
        return FORMATS[name].activation(self.instructions)

    def _once(self, name: str, compile_it: Callable[[str], Kernel]) -> Kernel:
        if name not in self._kernels:
            self._kernels[name] = compile_it(name)
        return self._kernels[name]
