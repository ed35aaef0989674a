"""Kernels: functions of Python's numeric part, compiled to machine code that needs no interpreter.

A kernel does one task of many: `kernel(arguments, task, scratch)`, where `arguments` is the address
of a record of 64-bit numbers, `task` counts from 0, and `scratch` is the address of memory that
nobody else uses meanwhile. numba compiles what kernels say in Python; what they say in vectors are
`@intrinsic` functions that emit LLVM's language (vector_ir.py). Knows no kernel.
"""

from __future__ import annotations

import ctypes
import hashlib
import logging
import os
from collections.abc import Callable, Sequence
from functools import cache
from inspect import Parameter, Signature
from time import perf_counter
from typing import Any, NamedTuple

from llvmlite import binding
from numba import njit
from numba.core import types
from numba.core.ccallback import CFunc
from numba.core.typing import signature
from numba.extending import intrinsic

from forge_worker.cpu.native.kernel_cache import (
    KernelCache,
    ObjectFile,
    default_folder,
    fingerprint,
)
from forge_worker.cpu.native.vector_ir import Emitter, Value

KernelFunction = Callable[[int, int, int], None]
Emit = Callable[..., Value]
ADDRESS = types.intp
logger = logging.getLogger(__name__)

UNUSED_FUNCTIONS = (
    "NRT_Free",
    "numba_do_raise",
    "numba_gil_ensure",
    "numba_gil_release",
    "numba_runtime_build_excinfo_struct",
    "numba_unpickle",
)
OPTIONS = {"nopython": True, "nogil": True, "error_model": "numpy"}
NO_WRAPPERS = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}  # a quarter of the time


class Kernel(NamedTuple):
    """Machine code at an address, for as long as `owner` lives."""

    name: str
    address: int
    owner: object


def compile_kernel(function: KernelFunction, name: str) -> Kernel:
    """`name` stands for all that the code depends on beside this package: it names it on disk."""
    return compile_function(function, name, num_arguments=3)


def compile_function(function: Callable[..., None], name: str, num_arguments: int) -> Kernel:
    """Of 64-bit integers, as C calls it. Not compiled where an earlier start left the code."""
    store = _cache()
    place = f"{name}-{_code_digest(function)}"
    found = store.load(place)
    if found is None:
        started = perf_counter()
        found = _compiled(function, num_arguments)
        store.store(place, found)
        logger.info("compiled %s for this processor in %.1f s", name, perf_counter() - started)
    return _linked(found, name)


def _compiled(function: Callable[..., None], num_arguments: int) -> ObjectFile:
    made: Any = CFunc(function, ((ADDRESS,) * num_arguments, types.void), {}, dict(OPTIONS))
    made.compile()
    return ObjectFile(made.native_name, made._library._get_compiled_object())


def _code_digest(function: Callable[..., None]) -> str:
    """Tells functions of one name apart; what they call is known by its sources."""
    code = function.__code__
    facts = (code.co_code, code.co_consts, code.co_names, code.co_freevars, code.co_filename)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


@cache
def _define_unused() -> None:
    """numba's code can raise exceptions; ours never does, so what raises them is never called."""
    abort = ctypes.cast(ctypes.CDLL(None).abort, ctypes.c_void_p).value
    for name in UNUSED_FUNCTIONS:
        if binding.address_of_symbol(name) is None:
            binding.add_symbol(name, abort)


def _linked(found: ObjectFile, name: str) -> Kernel:
    _define_unused()
    binding.initialize_native_target()  # which numba does only when it compiles
    binding.initialize_native_asmprinter()
    empty = binding.parse_assembly("")
    machine = binding.Target.from_default_triple().create_target_machine()
    engine = binding.create_mcjit_compiler(empty, machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(found.code))
    engine.finalize_object()
    return Kernel(name, engine.get_function_address(found.symbol), engine)


@cache
def _cache() -> KernelCache:
    return KernelCache(default_folder(os.environ), fingerprint())


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A piece of a kernel, to be called by kernels alone."""
    compiled: Callable[..., Any] = njit(nogil=True, error_model="numpy", **NO_WRAPPERS)(function)
    return compiled


def emitting(result: Any, *arguments: Any) -> Callable[[Emit], Callable[..., Any]]:
    """A function for kernels, of these numba types, whose instructions `emit(e, *values)` appends.

    None as the result is void.
    """
    kind = signature(types.void if result is None else result, *arguments)

    def wrap(emit: Emit) -> Callable[..., Any]:
        def typed(typing_context: object, *_: object) -> tuple[object, Emit]:
            def generate(context: Any, builder: Any, _: object, values: Sequence[Value]) -> Value:
                value = emit(Emitter(builder), *values)
                return context.get_dummy_value() if result is None else value

            return kind, generate

        typed.__signature__ = _positional(len(arguments))  # type: ignore[attr-defined]
        typed.__name__ = emit.__name__
        made: Callable[..., Any] = intrinsic(typed)
        return made

    return wrap


def _positional(count: int) -> Signature:
    """What numba reads the number of arguments from."""
    names = ["typing_context", *(f"a{index}" for index in range(count))]
    return Signature([Parameter(name, Parameter.POSITIONAL_OR_KEYWORD) for name in names])
