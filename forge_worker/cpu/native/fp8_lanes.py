"""FP8 of the form E4M3 (arXiv:2209.05433) in registers: a sign, 4 bits of exponent, 3 of mantissa.

Read with the exponent's bias of float16, 15 where the form itself says 7: that makes every number
1/256 of what it is elsewhere, so that the largest is 1.75, and a float16 has the same bits with
zeros behind them. Processors widen float16, so numbers below the normal ones come out right
without a branch. A scale beside the numbers makes up for the 256. Knows no cache.
"""

from __future__ import annotations

from llvmlite import ir

from forge_worker.cpu.native.vector_ir import (
    BYTE,
    FLOAT,
    HALF,
    INT,
    SHORT,
    Emitter,
    Value,
    splat_constant,
)

LARGEST_FP8 = 1.75
_LARGEST_CODE = 0x7E  # 0x7F is no number
_SIGN_AND_NUMBER = -0x4080  # of 16 bits 0xBF80: what is no copy of the sign
_SMALLEST_NORMAL = 2.0**-14
_SUBNORMAL_ROUNDER = 64.0  # 2**23 steps of 2**-17: what is added to it is rounded to whole steps
_EXPONENTS_BELOW = (127 - 15) << 3  # that a float32 has and these numbers have not


def widen_fp8(e: Emitter, address: Value, lanes: int) -> Value:
    """float32 [lanes] of as many bytes; exact."""
    kind = ir.VectorType(SHORT, lanes)
    wide = e.builder.sext(e.load(address, ir.VectorType(BYTE, lanes), 1), kind)
    bits = e.builder.and_(
        e.builder.shl(wide, splat_constant(kind, 7)), splat_constant(kind, _SIGN_AND_NUMBER)
    )
    halves = e.builder.bitcast(bits, ir.VectorType(HALF, lanes))
    return e.builder.fpext(halves, ir.VectorType(FLOAT, lanes))


def round_to_fp8(e: Emitter, x: Value) -> Value:
    """Bytes of float32 [lanes], to nearest, ties to even; what is larger, and NaN, to ±1.75."""
    b, lanes = e.builder, x.type.count
    kind = ir.VectorType(INT, lanes)

    def constant(value: int) -> Value:
        return splat_constant(kind, value)

    bits = b.bitcast(x, kind)
    magnitude = b.and_(bits, constant(0x7FFFFFFF))
    is_odd = b.and_(b.lshr(magnitude, constant(20)), constant(1))
    half = b.add(magnitude, b.add(is_odd, constant(0x7FFFF)))
    normal = b.sub(b.lshr(half, constant(20)), constant(_EXPONENTS_BELOW))
    rounder = splat_constant(x.type, _SUBNORMAL_ROUNDER)
    shifted = b.bitcast(b.fadd(b.bitcast(magnitude, x.type), rounder), kind)
    small = b.sub(shifted, b.bitcast(rounder, kind))
    is_small = b.fcmp_ordered(
        "<", b.bitcast(magnitude, x.type), splat_constant(x.type, _SMALLEST_NORMAL)
    )
    code = b.select(is_small, small, normal)
    is_too_large = b.icmp_unsigned(">", code, constant(_LARGEST_CODE))
    code = b.select(is_too_large, constant(_LARGEST_CODE), code)
    sign = b.and_(b.lshr(bits, constant(24)), constant(0x80))
    return b.trunc(b.or_(code, sign), ir.VectorType(BYTE, lanes))
