"""The compiled part of NativePool: taking tasks, waiting, waking. See pool.py for what it means.

Shared memory is read and written in one order that all threads agree on ("seq_cst"). Whoever is
about to sleep says so first, then looks once more, then sleeps; whoever has news writes them first,
then looks for sleepers: one of the two always sees the other. Knows no kernel.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import binding, ir

from forge_worker.cpu.native.kernel import ADDRESS, Kernel, compile_function, emitting, inlined
from forge_worker.cpu.native.memory import (
    add_shared,
    call_kernel,
    read_long,
    read_shared,
    replace_shared,
    write_long,
    write_shared,
)
from forge_worker.cpu.native.vector_ir import BYTE, INT, Emitter, Value

# Places in the control block, in bytes. What different threads write stands in different lines.
LINE = 64
COUNTER = 0
KERNEL, ARGUMENTS, NUM_TASKS = LINE, LINE + 8, LINE + 16
DONE = 2 * LINE
SLEEPING = 3 * LINE  # how many helpers
WAITING = 4 * LINE  # 1 while the caller sleeps
STOP = 5 * LINE
NUM_LENT = STOP + 8  # cores: so many helpers, the first, take no tasks
DOOR_BYTES = 4 * LINE  # a mutex and a condition of the C library: at most two lines each
CONDITION = 2 * LINE
HELPERS = 6 * LINE
CALLER = HELPERS + DOOR_BYTES
SCRATCH_TABLE = CALLER + DOOR_BYTES

LAUNCH_BYTES = 24  # kernel, arguments, address of the number of tasks
TASKS_LEFT = 0xFFFF_FFFF  # the lower half of the counter
ONE_RUN = TASKS_LEFT + 1
HELPER_SPINS = 1500
CALLER_SPINS = 4000

THREAD_FUNCTIONS = (
    "pthread_mutex_init",
    "pthread_mutex_lock",
    "pthread_mutex_unlock",
    "pthread_cond_init",
    "pthread_cond_wait",
    "pthread_cond_broadcast",
)


class PoolCode(NamedTuple):
    prepare: Callable[[int], None]  # (control)
    run: Callable[[int, int, int, int], None]  # (control, launches, num_launches, num_threads)
    serve: Callable[[int, int], None]  # (control, index of the helper); returns when stopped
    lend: Callable[[int, int], None]  # (control, how many cores; 0 takes all back)
    stop: Callable[[int], None]  # (control)


@emitting(None, ADDRESS)
def open_door(e: Emitter, door: Value) -> None:
    null = ir.Constant(ir.PointerType(BYTE), None)
    e.call("pthread_mutex_init", INT, [e.pointer(door, BYTE), null])
    e.call("pthread_cond_init", INT, [e.pointer(e.at(door, CONDITION), BYTE), null])


@emitting(None, ADDRESS)
def lock(e: Emitter, door: Value) -> None:
    e.call("pthread_mutex_lock", INT, [e.pointer(door, BYTE)])


@emitting(None, ADDRESS)
def unlock(e: Emitter, door: Value) -> None:
    e.call("pthread_mutex_unlock", INT, [e.pointer(door, BYTE)])


@emitting(None, ADDRESS)
def sleep_at(e: Emitter, door: Value) -> None:
    """Of who holds the lock; returns with it, sometimes for no reason."""
    condition = e.pointer(e.at(door, CONDITION), BYTE)
    e.call("pthread_cond_wait", INT, [condition, e.pointer(door, BYTE)])


@emitting(None, ADDRESS)
def wake_all(e: Emitter, door: Value) -> None:
    e.call("pthread_cond_broadcast", INT, [e.pointer(e.at(door, CONDITION), BYTE)])


@emitting(None)
def pause(e: Emitter) -> None:
    """Tell the core that this is a waiting loop."""
    if platform.machine() in ("x86_64", "AMD64"):
        e.call("llvm.x86.sse2.pause", ir.VoidType(), [])
    else:
        e.call("llvm.aarch64.hint", ir.VoidType(), [ir.Constant(INT, 1)])


@inlined
def wake(door: int) -> None:
    lock(door)
    wake_all(door)
    unlock(door)


@inlined
def take_and_do(control: int, counter: int, scratch: int) -> bool:
    """Do the next task of the run that `counter` names, unless somebody took it first."""
    kernel, arguments = read_long(control + KERNEL), read_long(control + ARGUMENTS)
    num_tasks = read_long(control + NUM_TASKS)
    if not replace_shared(control + COUNTER, counter, counter - 1):
        return False
    call_kernel(kernel, arguments, num_tasks - (counter & TASKS_LEFT), scratch)
    return add_shared(control + DONE, 1) + 1 == num_tasks  # type: ignore[no-any-return]


@inlined
def wait_until_done(control: int, num_tasks: int) -> None:
    for _ in range(CALLER_SPINS):
        if read_shared(control + DONE) == num_tasks:
            return
        pause()
    lock(control + CALLER)
    write_shared(control + WAITING, 1)
    while read_shared(control + DONE) != num_tasks:
        sleep_at(control + CALLER)
    write_shared(control + WAITING, 0)
    unlock(control + CALLER)


@inlined
def share(control: int, kernel: int, arguments: int, num_tasks: int) -> None:
    """One run, with whatever helpers come in time."""
    write_long(control + KERNEL, kernel)
    write_long(control + ARGUMENTS, arguments)
    write_long(control + NUM_TASKS, num_tasks)
    write_shared(control + DONE, 0)
    run_number = read_shared(control + COUNTER) + ONE_RUN
    write_shared(control + COUNTER, run_number + num_tasks)
    if read_shared(control + SLEEPING) != 0:
        wake(control + HELPERS)
    scratch = read_long(control + SCRATCH_TABLE)
    while True:
        counter = read_shared(control + COUNTER)
        if counter & TASKS_LEFT == 0:
            break
        take_and_do(control, counter, scratch)
    wait_until_done(control, num_tasks)


def run(control: int, launches: int, num_launches: int, num_threads: int) -> None:
    scratch = read_long(control + SCRATCH_TABLE)
    for index in range(num_launches):
        launch = launches + index * LAUNCH_BYTES
        kernel, arguments = read_long(launch), read_long(launch + 8)
        num_tasks = read_long(read_long(launch + 16))
        if num_threads > 1 and num_tasks > 1:
            share(control, kernel, arguments, num_tasks)
        else:
            for task in range(num_tasks):
                call_kernel(kernel, arguments, task, scratch)


@inlined
def has_news(control: int) -> bool:
    left = read_shared(control + COUNTER) & TASKS_LEFT
    return left != 0 or read_shared(control + STOP) != 0  # type: ignore[no-any-return]


@inlined
def is_lent(control: int, index: int) -> bool:
    return index <= read_shared(control + NUM_LENT)  # type: ignore[no-any-return]


@inlined
def sleep_until_news(control: int, index: int) -> None:
    lock(control + HELPERS)
    add_shared(control + SLEEPING, 1)
    while not has_news(control) and not is_lent(control, index):
        sleep_at(control + HELPERS)
    add_shared(control + SLEEPING, -1)
    unlock(control + HELPERS)


@inlined
def wait_while_lent(control: int, index: int) -> None:
    """Not counted among those that sleep: no run need wake it."""
    lock(control + HELPERS)
    while is_lent(control, index) and read_shared(control + STOP) == 0:
        sleep_at(control + HELPERS)
    unlock(control + HELPERS)


def serve(control: int, index: int) -> None:
    spins = 0
    while read_shared(control + STOP) == 0:
        if is_lent(control, index):
            wait_while_lent(control, index)
        counter = read_shared(control + COUNTER)
        if counter & TASKS_LEFT != 0:
            spins = 0
            is_last = take_and_do(control, counter, read_long(control + SCRATCH_TABLE + 8 * index))
            if is_last and read_shared(control + WAITING) != 0:
                wake(control + CALLER)
        elif spins < HELPER_SPINS:
            spins += 1
            pause()
        else:
            sleep_until_news(control, index)
            spins = 0


def lend(control: int, num_cores: int) -> None:
    write_shared(control + NUM_LENT, num_cores)
    wake(control + HELPERS)


def stop(control: int) -> None:
    write_shared(control + STOP, 1)
    wake(control + HELPERS)


def prepare(control: int) -> None:
    open_door(control + HELPERS)
    open_door(control + CALLER)


def compile_pool_code() -> PoolCode:
    library = ctypes.CDLL(None)
    for name in THREAD_FUNCTIONS:
        function = ctypes.cast(getattr(library, name), ctypes.c_void_p)
        binding.add_symbol(name, function.value)
    return PoolCode(
        _callable(compile_function(prepare, "pool-prepare", 1), 1),
        _callable(compile_function(run, "pool-run", 4), 4),
        _callable(compile_function(serve, "pool-serve", 2), 2),
        _callable(compile_function(lend, "pool-lend", 2), 2),
        _callable(compile_function(stop, "pool-stop", 1), 1),
    )


def _callable(kernel: Kernel, num_arguments: int) -> Callable[..., None]:
    """ctypes gives up the GIL for the duration of a call."""
    function: Any = ctypes.CFUNCTYPE(None, *[ctypes.c_ssize_t] * num_arguments)(kernel.address)
    function.kernel = kernel  # which lives as long as what calls it
    called: Callable[..., None] = function
    return called
