"""Every product compiles for processors that this machine is not, with the instructions meant.

LLVM ends the process where it cannot select an instruction, so that each set must be met here.
"""

from __future__ import annotations

import re

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from forge_common.instruction_set import InstructionSet, InstructionSetName, instruction_set
from forge_common.weight_format import FormatName
from forge_worker.cpu.native.formats import FORMATS
from forge_worker.cpu.native.microkernel import Operands
from forge_worker.cpu.native.vector_ir import LONG, Emitter

TARGETS: dict[InstructionSetName, tuple[str, str]] = {
    "neon": ("aarch64-unknown-linux-gnu", "neoverse-n1"),
    "avx2": ("x86_64-unknown-linux-gnu", "haswell"),
    "avx512": ("x86_64-unknown-linux-gnu", "skylake-avx512"),
    "avx512-vnni": ("x86_64-unknown-linux-gnu", "cascadelake"),
    "avx512-bf16": ("x86_64-unknown-linux-gnu", "znver4"),
}


def assembly(name: FormatName, instructions: InstructionSet, processor: str = "") -> str:
    """Of the product with the largest group of columns."""
    triple, usual = TARGETS[instructions.name]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor or usual, opt=3)
    module = ir.Module("products")
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [LONG] * 9), "product")
    builder = ir.IRBuilder(function.append_basic_block("entry"))
    product = FORMATS[name].product(instructions)
    first, second, activations, scales, sums, length, outputs, ahead, behind = function.args
    operands = Operands(
        (first, second), activations, scales, sums, length, outputs, (ahead, behind)
    )
    product.emit(Emitter(builder), operands, product.group_sizes[-1], 2)
    builder.ret_void()
    parsed = llvm.parse_assembly(str(module))
    passes = llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(3))
    passes.getModulePassManager().run(parsed, passes)
    return str(machine.emit_assembly(parsed))


@pytest.mark.parametrize("set_name", list(TARGETS))
@pytest.mark.parametrize("name", ["f32", "f16", "bf16"])
def test_floats_are_multiplied_and_added_at_once(
    name: FormatName, set_name: InstructionSetName
) -> None:
    text = assembly(name, instruction_set(set_name, frozenset()))
    is_paired = name == "bf16" and set_name == "avx512-bf16"
    wanted = "vdpbf16ps" if is_paired else {"neon": "fmla"}.get(set_name, "vfmadd231ps")
    assert wanted in text


@pytest.mark.parametrize(
    ("set_name", "wanted"),
    [
        ("neon", "smull"),
        ("avx2", "vpmaddwd"),
        ("avx512", "vpmaddwd"),
        ("avx512-vnni", "vpdpbusd"),
        ("avx512-bf16", "vpdpbusd"),
    ],
)
@pytest.mark.parametrize("name", ["q8_0", "q4_0", "q4_k", "q5_k", "q6_k"])
def test_bytes_are_multiplied_by_the_best_instruction(
    name: FormatName, set_name: InstructionSetName, wanted: str
) -> None:
    assert wanted in assembly(name, instruction_set(set_name, frozenset()))


def test_avx2_with_byte_products_uses_them() -> None:
    instructions = instruction_set("avx2", frozenset({"avxvnni"}))
    assert "vpdpbusd" in assembly("q8_0", instructions, "alderlake")


@pytest.mark.parametrize("name", list(FORMATS))
def test_neon_is_all_that_is_taken_of_processors_that_have_more(name: FormatName) -> None:
    """What a set does not name is not taken, though the processor's name implies it."""
    text = assembly(name, instruction_set("neon", frozenset()), "neoverse-v1")
    assert not re.search(r"\bz\d+\.[bhsdq]\b|\b[uds]?dot\b|\b[us]mmla\b|\bbfdot\b", text)
