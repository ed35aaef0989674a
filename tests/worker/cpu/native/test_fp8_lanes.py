"""FP8 in registers: every number and every tie, and no call to a library on any processor."""

from __future__ import annotations

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from forge_common.instruction_set import InstructionSetName
from forge_worker.cpu.native.fp8_lanes import round_to_fp8, widen_fp8
from forge_worker.cpu.native.vector_ir import FLOATS, LANES, LONG, Emitter
from tests.worker.cpu.native.attending import Attending, Heads, Kind, make_works
from tests.worker.cpu.native.test_targets import TARGETS
from tests.worker.fp8_numbers import LARGEST, fp8_codes, fp8_values, magnitudes

HEADS = Heads(1, 1, 256)


def test_every_number_and_what_lies_around_every_tie_is_rounded_right() -> None:
    """Rows whose largest is the format's have the scale 1."""
    table = (magnitudes() / 256).astype(np.float32)
    ties = (table[1:] + table[:-1]) / 2
    above, below = (np.nextafter(ties, np.float32(end)) for end in (2, 0))
    numbers = np.concatenate([table, ties, above, below, -table, -ties, -above, -below])
    rows = np.resize(numbers, (5, HEADS.head_dim - 1))
    values = np.insert(rows, 0, np.float32(LARGEST / 256), axis=1)
    qkv = np.concatenate([np.zeros((5, 2 * HEADS.head_dim), np.float32), values], axis=1)
    layer = Attending(HEADS, Kind("fp8"))
    works = make_works([(0, 5)], 16, 1)
    layer.run(works, qkv)
    stored = layer.stored(works)[0].values[:, 0]
    assert (stored == fp8_values(fp8_codes(values * 256)) / 256).all()


def assembly(name: InstructionSetName) -> str:
    """Of a function that widens 16 numbers and rounds them again."""
    triple, processor = TARGETS[name]
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine(cpu=processor, opt=3)
    module = ir.Module("fp8")
    module.triple = triple
    kind = ir.FunctionType(ir.VoidType(), [LONG, LONG, LONG])
    function = ir.Function(module, kind, "fp8")
    e = Emitter(ir.IRBuilder(function.append_basic_block("entry")))
    codes, floats, rounded = function.args
    e.store(widen_fp8(e, codes, LANES), floats)
    e.store(round_to_fp8(e, e.load(rounded, FLOATS, 4)), codes)
    e.builder.ret_void()
    return str(machine.emit_assembly(llvm.parse_assembly(str(module))))


@pytest.mark.parametrize("name", list(TARGETS))
def test_processors_widen_with_an_instruction_of_their_own(name: InstructionSetName) -> None:
    text = assembly(name)
    assert {"neon": "fcvtl"}.get(name, "vcvtph2ps") in text
    assert "call" not in text
    assert "\tbl\t" not in text
