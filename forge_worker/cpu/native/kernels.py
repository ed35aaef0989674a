"""Kernels of one instruction set, each compiled when it is first needed, and kept.

Knows which kernels there are, not when they run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from forge_worker.cpu.native.activations import compile_gate, compile_join, compile_prepare
from forge_worker.cpu.native.centring import compile_centre
from forge_worker.cpu.native.embedding import compile_embed
from forge_worker.cpu.native.formats import FORMATS
from forge_worker.cpu.native.gemm import Gemm, compile_gemm
from forge_worker.cpu.native.host import InstructionSet
from forge_worker.cpu.native.kernel import Kernel
from forge_worker.cpu.native.packing import compile_pack, compile_pack_blocks
from forge_worker.cpu.native.sampling_kernel import compile_sample
from forge_worker.cpu.native.tiles import ActivationKind, FormatName


class Kernels:
    def __init__(self, instructions: InstructionSet) -> None:
        self.instructions = instructions
        self._tag = f"{instructions.name}-{instructions.int8_dot}"
        self._kernels: dict[str, Kernel] = {}
        self._gemms: dict[FormatName, Gemm] = {}

    def gemm(self, name: FormatName) -> Gemm:
        if name not in self._gemms:
            product = FORMATS[name].product(self.instructions)
            self._gemms[name] = compile_gemm(product, f"{self._tag}-gemm_{name}")
        return self._gemms[name]

    def pack(self, name: FormatName, is_of_blocks: bool) -> Kernel:
        """From the format's blocks, or from plain numbers."""
        fill_tile, blocks = FORMATS[name].fill_tile, FORMATS[name].blocks
        if is_of_blocks and blocks is not None:
            return self._once(f"pack_{name}_blocks", lambda n: compile_pack_blocks(blocks, n))
        if not is_of_blocks and fill_tile is not None:
            return self._once(f"pack_{name}", lambda n: compile_pack(fill_tile, n))
        raise ValueError(f"{name} is not packed from what it was given")

    def embed(self, name: FormatName) -> Kernel:
        return self._once(f"embed_{name}", lambda n: compile_embed(FORMATS[name], n))

    def prepare(self, kind: ActivationKind) -> Kernel:
        return self._once(f"prepare_{kind}", lambda n: compile_prepare(kind, n))

    def gate(self) -> Kernel:
        return self._once("gate", compile_gate)

    def sample(self) -> Kernel:
        return self._once("sample", compile_sample)

    def join(self) -> Kernel:
        return self._once("join", compile_join)

    def centre(self) -> Kernel:
        return self._once("centre", compile_centre)

    def compile_all(self, formats: Iterable[FormatName]) -> None:
        """What steps on weights of these formats may need, so that none waits for a compiler."""
        for name in formats:
            self.gemm(name)
            self.embed(name)
            self.prepare(self.activation(name))
        self.prepare("float32")
        self.gate()
        self.join()
        self.centre()
        self.sample()

    def activation(self, name: FormatName) -> ActivationKind:
        return FORMATS[name].activation(self.instructions)

    def _once(self, name: str, compile_it: Callable[[str], Kernel]) -> Kernel:
        if name not in self._kernels:
            self._kernels[name] = compile_it(f"{self._tag}-{name}")
        return self._kernels[name]
