"""The few pieces of LLVM's language that the kernels are made of; see https://llvm.org/docs/LangRef.html.

Vectors have 16 lanes everywhere: where registers are narrower, LLVM splits them. An `Emitter`
appends instructions to a function under construction; addresses are 64-bit integers, as kernels
get them. Knows no kernel, and of instruction sets no more than what it is told to emit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from llvmlite import ir

LANES = 16
BYTE, SHORT, INT, LONG = (ir.IntType(width) for width in (8, 16, 32, 64))
FLOAT, HALF = ir.FloatType(), ir.HalfType()
FLOATS = ir.VectorType(FLOAT, LANES)
HALVES = ir.VectorType(HALF, LANES)
INTS = ir.VectorType(INT, LANES)
SHORTS = ir.VectorType(SHORT, LANES)
BYTES = ir.VectorType(BYTE, 4 * LANES)

Value = Any  # an ir.Value; llvmlite has no types of its own for checkers


class BFloatType(ir.Type):  # type: ignore[misc]
    """bfloat16, which llvmlite does not name."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BFloatType)

    def __hash__(self) -> int:
        return hash(BFloatType)


BFLOATS = ir.VectorType(BFloatType(), LANES)
BFLOAT_PAIRS = ir.VectorType(BFloatType(), 2 * LANES)


def long(value: int) -> Value:
    return ir.Constant(LONG, value)


def splat_constant(vector: Value, value: float) -> Value:
    return ir.Constant(vector, [value] * vector.count)


class Emitter:
    def __init__(self, builder: Any) -> None:
        self.builder = builder

    def call(self, name: str, result: Value, arguments: Sequence[Value]) -> Value:
        """A function of LLVM's own, or of the C library."""
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        module = self.builder.module
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, arguments)

    def pointer(self, address: Value, kind: Value) -> Value:
        return self.builder.inttoptr(address, ir.PointerType(kind))

    def at(self, address: Value, *offsets: Value | int) -> Value:
        """The address plus offsets in bytes."""
        for offset in offsets:
            number = long(offset) if isinstance(offset, int) else offset
            address = self.builder.add(address, number)
        return address

    def times(self, index: Value, factor: int) -> Value:
        return self.builder.mul(index, long(factor))

    def load(self, address: Value, kind: Value, align: int = 1) -> Value:
        loaded = self.builder.load(self.pointer(address, kind))
        loaded.align = align
        return loaded

    def store(self, value: Value, address: Value, align: int = 1) -> None:
        stored = self.builder.store(value, self.pointer(address, value.type))
        stored.align = align

    def splat(self, scalar: Value, count: int = LANES) -> Value:
        vector = ir.VectorType(scalar.type, count)
        first = self.builder.insert_element(
            ir.Constant(vector, ir.Undefined), scalar, ir.Constant(INT, 0)
        )
        zeros = ir.Constant(ir.VectorType(INT, count), [0] * count)
        return self.builder.shuffle_vector(first, first, zeros)

    def fma(self, a: Value, b: Value, c: Value) -> Value:
        """a · b + c, rounded once."""
        return self.call("llvm.fma.v16f32", FLOATS, [a, b, c])

    def prefetch(self, address: Value, locality: int = 2) -> None:
        """Into the second-level cache by default; 3 is the first level, 0 the first level alone."""
        numbers = [ir.Constant(INT, number) for number in (0, locality, 1)]
        self.call("llvm.prefetch.p0", ir.VoidType(), [self.pointer(address, BYTE), *numbers])

    def widen_bfloats(self, bits: Value) -> Value:
        """float32 of bfloat16 bits [16]: they are its upper half."""
        wide = self.builder.zext(bits, INTS)
        return self.builder.bitcast(self.builder.shl(wide, splat_constant(INTS, 16)), FLOATS)

    def variable(self, initial: Value) -> Value:
        """A place in the function's frame; LLVM keeps it in a register."""
        with self.builder.goto_entry_block():
            place = self.builder.alloca(initial.type)
        self.builder.store(initial, place)
        return place

    @contextmanager
    def counting(self, count: Value) -> Iterator[Value]:
        """Repeat what is emitted inside for 0 .. count - 1."""
        builder = self.builder
        index = self.variable(long(0))
        head, body, end = (builder.append_basic_block(name) for name in ("head", "body", "end"))
        builder.branch(head)
        builder.position_at_end(head)
        current = builder.load(index)
        builder.cbranch(builder.icmp_signed("<", current, count), body, end)
        builder.position_at_end(body)
        yield current
        builder.store(builder.add(current, long(1)), index)
        builder.branch(head)
        builder.position_at_end(end)
