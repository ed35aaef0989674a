"""Which of 16 or 64 tokens a kernel should look at: comparisons as bits, masks as lanes, noise.

Philox4x32-10 in vectors (Salmon et al. 2011; forge_worker/philox.py says the same of arrays): one
call makes the bits of four neighbouring tokens, 16 calls those of a chunk of 64. Knows no filters.
"""

from __future__ import annotations

from llvmlite import ir
from numba.core import types

from forge_worker.cpu.native.kernel import ADDRESS, emitting
from forge_worker.cpu.native.lanes import FLOATS16, exponential
from forge_worker.cpu.native.vector_ir import (
    FLOAT,
    FLOATS,
    INT,
    INTS,
    LANES,
    LONG,
    SHORT,
    Emitter,
    Value,
    long,
    splat_constant,
)

CHUNK = 64  # tokens, of 16 calls
WORDS = 4  # of a call
FLOAT_BYTES = 4
NUM_ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)
INT_BITS, LOW_WORD = 32, 0xFFFF_FFFF
WIDE = ir.VectorType(LONG, LANES)
LANE_MASK = ir.VectorType(ir.IntType(1), LANES)
PER_BIT, HALF_BIT = 2.0**-32, 2.0**-33  # of float32(bits) and beside it: a number in (0, 1)
SLACK = 1.0001  # far more than rounding takes from a score


@emitting(ADDRESS, FLOATS16, types.float32)
def not_below16(e: Emitter, values: Value, floor: Value) -> Value:
    """Bit n: whether lane n is `floor` or more."""
    return lane_bits(e, e.builder.fcmp_ordered(">=", values, e.splat(floor)))


@emitting(FLOATS16, ADDRESS, ADDRESS)
def load16_allowed(e: Emitter, address: Value, bits: Value) -> Value:
    """Lanes whose bit is 0 are -inf."""
    chosen = e.builder.bitcast(e.builder.trunc(bits, SHORT), LANE_MASK)
    nothing = splat_constant(FLOATS, float("-inf"))
    return e.builder.select(chosen, e.load(address, FLOATS, 4), nothing)


@emitting(ADDRESS, ADDRESS)
def lowest_bit(e: Emitter, bits: Value) -> Value:
    """The place of the lowest 1 in a number that is not 0."""
    return e.call("llvm.cttz.i64", LONG, [bits, ir.Constant(ir.IntType(1), 1)])


@emitting(ADDRESS, types.float32)
def float_bits(e: Emitter, value: Value) -> Value:
    return e.builder.zext(e.builder.bitcast(value, INT), LONG)


@emitting(types.float32, ADDRESS)
def float_of_bits(e: Emitter, bits: Value) -> Value:
    return e.builder.bitcast(e.builder.trunc(bits, INT), FLOAT)


@emitting(None, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS)
def write_bits(
    e: Emitter, place: Value, chunk: Value, seed: Value, choice_index: Value, position: Value
) -> None:
    """The random bits of the 64 tokens of `chunk`, uint32 each, in their order."""
    b = e.builder
    lanes = ir.Constant(INTS, list(range(LANES)))
    first = b.trunc(b.mul(chunk, long(CHUNK // WORDS)), INT)
    counter = [
        b.add(e.splat(first), lanes),
        e.splat(b.trunc(position, INT)),
        e.splat(b.trunc(choice_index, INT)),
        splat_constant(INTS, 0),
    ]
    key = [b.trunc(seed, INT), b.trunc(b.lshr(seed, long(INT_BITS)), INT)]
    words = philox(e, counter, key)
    for part, vector in enumerate(_interleaved(e, words)):
        e.store(vector, e.at(place, part * LANES * FLOAT_BYTES), 4)


@emitting(ADDRESS, FLOATS16, ADDRESS, types.float32)
def contenders16(e: Emitter, values: Value, bits: Value, score: Value) -> Value:
    """Bit n: whether lane n, with the noise of its bits at address `bits`, may reach `score`.

    value + noise >= score where u <= 1 - exp(-exp(value - score)), which is below
    exp(value - score): so few pass that do not reach it that a logarithm for each is cheap.
    """
    b = e.builder
    drawn = b.uitofp(e.load(bits, INTS, 4), FLOATS)
    u = b.fadd(b.fmul(drawn, splat_constant(FLOATS, PER_BIT)), splat_constant(FLOATS, HALF_BIT))
    reach = exponential(e, b.fsub(values, e.splat(score)))
    return lane_bits(e, b.fcmp_ordered("<=", u, b.fmul(reach, splat_constant(FLOATS, SLACK))))


def lane_bits(e: Emitter, mask: Value) -> Value:
    return e.builder.zext(e.builder.bitcast(mask, SHORT), LONG)


def philox(e: Emitter, counter: list[Value], key: list[Value]) -> list[Value]:
    """Four vectors of words for each lane of the counter's four; one key for all."""
    b = e.builder
    for _ in range(NUM_ROUNDS):
        (low_0, high_0), (low_1, high_1) = (
            _product(e, counter[2 * index], multiplier)
            for index, multiplier in enumerate(MULTIPLIERS)
        )
        c0 = b.xor(b.xor(high_1, counter[1]), e.splat(key[0]))
        c2 = b.xor(b.xor(high_0, counter[3]), e.splat(key[1]))
        counter = [c0, low_1, c2, low_0]
        key = [b.add(k, ir.Constant(INT, step)) for k, step in zip(key, WEYL, strict=True)]
    return counter


def _product(e: Emitter, factor: Value, multiplier: int) -> tuple[Value, Value]:
    """The lower and the upper half of each lane."""
    b = e.builder
    wide = b.mul(b.zext(factor, WIDE), splat_constant(WIDE, multiplier))
    return b.trunc(wide, INTS), b.trunc(b.lshr(wide, splat_constant(WIDE, INT_BITS)), INTS)


def _interleaved(e: Emitter, words: list[Value]) -> list[Value]:
    """Word 0, 1, 2 and 3 of lane 0, then of lane 1, and so on: four vectors."""
    b = e.builder
    pairs = ir.Constant(ir.VectorType(INT, 2 * LANES), list(range(2 * LANES)))
    low, high = (b.shuffle_vector(words[i], words[i + 1], pairs) for i in (0, 2))
    order = [word * LANES + lane for lane in range(LANES) for word in range(WORDS)]
    return [
        b.shuffle_vector(low, high, ir.Constant(INTS, order[first : first + LANES]))
        for first in range(0, CHUNK, LANES)
    ]
