"""What kernels do with single numbers in memory: read, write, exchange, call."""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from forge_worker.cpu.native.kernel import ADDRESS, emitting
from forge_worker.cpu.native.vector_ir import BYTE, FLOAT, HALF, INT, LONG, SHORT, Emitter, Value


@emitting(ADDRESS, ADDRESS)
def read_long(e: Emitter, address: Value) -> Value:
    return e.load(address, LONG, 8)


@emitting(ADDRESS, ADDRESS)
def read_int(e: Emitter, address: Value) -> Value:
    """An int32, widened."""
    return e.builder.sext(e.load(address, INT, 4), LONG)


@emitting(types.float32, ADDRESS)
def read_float(e: Emitter, address: Value) -> Value:
    return e.load(address, FLOAT, 4)


@emitting(types.float64, ADDRESS)
def read_double(e: Emitter, address: Value) -> Value:
    return e.load(address, ir.DoubleType(), 8)


@emitting(types.float32, ADDRESS)
def read_bfloat(e: Emitter, address: Value) -> Value:
    """A bfloat16, widened."""
    wide = e.builder.zext(e.load(address, SHORT, 2), INT)
    return e.builder.bitcast(e.builder.shl(wide, ir.Constant(INT, 16)), FLOAT)


@emitting(types.float32, ADDRESS)
def read_half(e: Emitter, address: Value) -> Value:
    """A float16, widened."""
    return e.builder.fpext(e.load(address, HALF, 2), FLOAT)


@emitting(ADDRESS, ADDRESS)
def read_byte(e: Emitter, address: Value) -> Value:
    """0 .. 255"""
    return e.builder.zext(e.load(address, BYTE), LONG)


@emitting(ADDRESS, ADDRESS)
def read_word(e: Emitter, address: Value) -> Value:
    """Four bytes, the first lowest, at any address."""
    return e.builder.zext(e.load(address, INT), LONG)


@emitting(None, ADDRESS, ADDRESS)
def write_word(e: Emitter, address: Value, value: Value) -> None:
    """The lower half, at any address."""
    e.store(e.builder.trunc(value, INT), address)


@emitting(None, ADDRESS, ADDRESS)
def write_byte(e: Emitter, address: Value, value: Value) -> None:
    e.store(e.builder.trunc(value, BYTE), address)


@emitting(None, ADDRESS, types.float32)
def write_half(e: Emitter, address: Value, value: Value) -> None:
    """Rounded to nearest."""
    e.store(e.builder.fptrunc(value, HALF), address, 2)


@emitting(None, ADDRESS, ADDRESS)
def write_long(e: Emitter, address: Value, value: Value) -> None:
    e.store(value, address, 8)


@emitting(None, ADDRESS, ADDRESS)
def write_int(e: Emitter, address: Value, value: Value) -> None:
    """The lower half."""
    e.store(e.builder.trunc(value, INT), address, 4)


@emitting(None, ADDRESS, ADDRESS)
def write_short(e: Emitter, address: Value, value: Value) -> None:
    e.store(e.builder.trunc(value, SHORT), address, 2)


@emitting(None, ADDRESS, types.float32)
def write_float(e: Emitter, address: Value, value: Value) -> None:
    e.store(value, address, 4)


@emitting(ADDRESS, ADDRESS)
def read_shared(e: Emitter, address: Value) -> Value:
    """A long that other threads write; what they wrote before it is seen after it."""
    return e.builder.load_atomic(e.pointer(address, LONG), "seq_cst", 8, typ=LONG)


@emitting(None, ADDRESS, ADDRESS)
def write_shared(e: Emitter, address: Value, value: Value) -> None:
    e.builder.store_atomic(value, e.pointer(address, LONG), "seq_cst", 8)


@emitting(ADDRESS, ADDRESS, ADDRESS)
def add_shared(e: Emitter, address: Value, value: Value) -> Value:
    """Returns what was there before."""
    return e.builder.atomic_rmw("add", e.pointer(address, LONG), value, "seq_cst")


@emitting(types.boolean, ADDRESS, ADDRESS, ADDRESS)
def replace_shared(e: Emitter, address: Value, expected: Value, value: Value) -> Value:
    """Whether `expected` was there, and was replaced."""
    pair = e.builder.cmpxchg(e.pointer(address, LONG), expected, value, "seq_cst", "seq_cst")
    return e.builder.extract_value(pair, 1)


@emitting(None, ADDRESS, ADDRESS, ADDRESS, ADDRESS)
def call_kernel(e: Emitter, kernel: Value, arguments: Value, task: Value, scratch: Value) -> None:
    kind = ir.FunctionType(ir.VoidType(), [LONG] * 3)
    e.builder.call(e.pointer(kernel, kind), [arguments, task, scratch])
