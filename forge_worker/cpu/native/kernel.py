"""Kernels: functions of Python's numeric part, compiled to machine code that needs no interpreter.

A kernel does one task of many: `kernel(arguments, task, scratch)`, where `arguments` is the address
of a record of 64-bit numbers, `task` counts from 0, and `scratch` is the address of memory that
nobody else uses meanwhile. numba compiles what kernels say in Python; what they say in vectors are
`@intrinsic` functions that emit LLVM's language (vector_ir.py). Knows no kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from typing import Any, NamedTuple

from numba import njit
from numba.core import types
from numba.core.ccallback import CFunc
from numba.core.typing import signature
from numba.extending import intrinsic

from forge_worker.cpu.native.vector_ir import Emitter, Value

KernelFunction = Callable[[int, int, int], None]
Emit = Callable[..., Value]
ADDRESS = types.intp
OPTIONS = {"nopython": True, "nogil": True, "error_model": "numpy"}


class Kernel(NamedTuple):
    """Machine code at an address, for as long as `owner` lives."""

    name: str
    address: int
    owner: object


def compile_kernel(function: KernelFunction, name: str) -> Kernel:
    return compile_function(function, name, num_arguments=3)


def compile_function(function: Callable[..., None], name: str, num_arguments: int) -> Kernel:
    """Of 64-bit integers, as C calls it."""
    compiled: Any = CFunc(function, ((ADDRESS,) * num_arguments, types.void), {}, dict(OPTIONS))
    compiled.compile()
    return Kernel(name, compiled.address, compiled)


def inlined(function: Callable[..., Any]) -> Callable[..., Any]:
    """A piece of a kernel, to be called by kernels alone."""
    compiled: Callable[..., Any] = njit(nogil=True, error_model="numpy")(function)
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
