"""What the machine can do at best: bytes read from memory, and products of int8 and of bfloat16.

Measured by kernels that do nothing else, on as many threads as the engine has, so that a speed can
be told as a share of what was possible at that time. AVX-512 with VNNI and BF16 only. Knows no
model.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

import numpy as np

from forge_worker.cpu.native.gemm_bf16 import INSTRUCTION
from forge_worker.cpu.native.int8_dot import DOTS
from forge_worker.cpu.native.kernel import ADDRESS, Kernel, compile_function, emitting
from forge_worker.cpu.native.vector_ir import BFLOAT_PAIRS, BYTES, FLOATS, INTS, Emitter, Value
from tests.bench.cpu.cases import Load

LINE_BYTES = 64
STRETCH_BYTES = 16 * LINE_BYTES  # read in one turn
READ_AHEAD_BYTES = 12288
ARRAY_BYTES = 2**29  # far more than any cache holds
NUM_SUMS = 12  # enough to hide how long an instruction takes
NUM_REPEATS = 64
TURNS = 60_000
INT8_PRODUCTS, BF16_PRODUCTS = 64, 32  # of one instruction
ROUNDS = 5


class Ceilings(NamedTuple):
    """A second, of all threads together; the best of several tries."""

    read_bytes: float
    int8_products: float
    bf16_products: float


class Work(NamedTuple):
    """What a token costs: each weight is read for a step, and taken part in a product.

    The head's are for tokens that are sampled: of a prompt, that is the last one alone.
    """

    num_weights: int
    num_head_weights: int
    num_bytes: int
    is_int8: bool


def share(ceilings: Ceilings, work: Work, load: Load, speed: float) -> float:
    """Of the ceiling that bounds the load, for `speed` in tokens a second."""
    if load.batch_size == 1 and not load.is_prefill:
        return speed * work.num_bytes / ceilings.read_bytes
    peak = ceilings.int8_products if work.is_int8 else ceilings.bf16_products
    num_weights = work.num_weights - (work.num_head_weights if load.is_prefill else 0)
    return speed * num_weights / peak


@emitting(None, ADDRESS, ADDRESS)
def emit_read(e: Emitter, address: Value, found: Value) -> None:
    """Every byte of a stretch goes into what is stored, so that none can be left out."""
    mixed = e.load(found, INTS, LINE_BYTES)
    for offset in range(0, STRETCH_BYTES, LINE_BYTES):
        e.prefetch(e.at(address, offset + READ_AHEAD_BYTES), 0)
        mixed = e.builder.xor(mixed, e.load(e.at(address, offset), INTS, LINE_BYTES))
    e.store(mixed, found, LINE_BYTES)


def read(start: int, num_stretches: int, found: int) -> None:
    for stretch in range(num_stretches):
        emit_read(start + stretch * STRETCH_BYTES, found)


Add = Callable[[Emitter, Value, Value, Value], Value]  # to a sum, of two registers


def dots_kernel(name: str, sums: Value, operands: Value, add: Add) -> Kernel:
    """Turns of one dot instruction on registers alone."""

    @emitting(None, ADDRESS)
    def emit_dots(e: Emitter, place: Value) -> None:
        addresses = [e.at(place, LINE_BYTES * number) for number in range(NUM_SUMS + 2)]
        first, second = (e.load(address, operands, LINE_BYTES) for address in addresses[-2:])
        totals = [e.load(address, sums, LINE_BYTES) for address in addresses[:NUM_SUMS]]
        for _ in range(NUM_REPEATS):
            totals = [add(e, total, first, second) for total in totals]
        for total, address in zip(totals, addresses, strict=False):
            e.store(total, address, LINE_BYTES)

    def dots(place: int, turns: int, _: int) -> None:
        for _turn in range(turns):
            emit_dots(place)

    return compile_function(dots, name, num_arguments=3)


def add_bytes(e: Emitter, total: Value, weights: Value, activations: Value) -> Value:
    return DOTS["vnni-512"].add(e, [total], weights, activations)[0]


def add_bfloats(e: Emitter, total: Value, weights: Value, activations: Value) -> Value:
    return e.call(INSTRUCTION, FLOATS, [total, weights, activations])


def measure(num_threads: int) -> Ceilings:
    num_products = NUM_SUMS * NUM_REPEATS * TURNS * num_threads
    registers = [_aligned((NUM_SUMS + 2) * LINE_BYTES) for _ in range(num_threads)]
    by_dots = [(place.ctypes.data, TURNS, 0) for place in registers]
    int8 = dots_kernel("bench-int8-dots", INTS, BYTES, add_bytes)
    bf16 = dots_kernel("bench-bf16-dots", FLOATS, BFLOAT_PAIRS, add_bfloats)
    reader = compile_function(read, "bench-read", num_arguments=3)
    share_bytes = ARRAY_BYTES // num_threads // STRETCH_BYTES * STRETCH_BYTES
    memory = _aligned(ARRAY_BYTES + READ_AHEAD_BYTES)
    memory[:] = 1  # else it is all one page of zeros
    by_reading = [
        (memory.ctypes.data + share_bytes * number, share_bytes // STRETCH_BYTES, place)
        for number, (place, _, _) in enumerate(by_dots)
    ]
    return Ceilings(
        share_bytes * num_threads / _best_seconds(reader, by_reading),
        INT8_PRODUCTS * num_products / _best_seconds(int8, by_dots),
        BF16_PRODUCTS * num_products / _best_seconds(bf16, by_dots),
    )


def _best_seconds(kernel: Kernel, arguments: list[tuple[int, int, int]]) -> float:
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(kernel.address)  # frees the GIL
    return min(_seconds(function, arguments) for _ in range(ROUNDS))


def _seconds(function: Callable[..., None], arguments: list[tuple[int, int, int]]) -> float:
    threads = [threading.Thread(target=function, args=args) for args in arguments]
    started = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return perf_counter() - started


def _aligned(num_bytes: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Zeros from the beginning of a cache line on."""
    room = np.zeros(num_bytes + LINE_BYTES, np.uint8)
    start = -room.ctypes.data % LINE_BYTES
    return room[start : start + num_bytes]
