"""NVRTC by ctypes: the text of kernels to a cubin, and what each kernel takes of a multiprocessor.

Needs no GPU, no driver and no CUDA header, so the tests compile every kernel too. A cubin rather
than PTX, since a driver runs cubins of every compiler of its own major version. Calls release the
GIL: threads compile side by side. Knows no kernel and no file.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes import byref, c_char_p, c_int, c_size_t, c_void_p
from typing import Any, NamedTuple

from forge_common.errors import DeviceError
from forge_worker.cuda.program import Program

_MAX_ERROR_LINES = 8

_KERNEL = re.compile(r"Compiling entry function '(\w+)'")
_REGISTERS = re.compile(r"Used (\d+) registers")
_STATIC_SHARED = re.compile(r"(\d+) bytes smem")
_STACK = re.compile(r"(\d+) bytes stack frame")
_SPILL_STORES = re.compile(r"(\d+) bytes spill stores")
_SPILL_LOADS = re.compile(r"(\d+) bytes spill loads")


class KernelUsage(NamedTuple):
    """What the assembler says of one kernel; registers are a thread's, the rest bytes."""

    name: str
    num_registers: int
    static_shared_bytes: int
    stack_bytes: int  # local memory, which is device memory: arrays indexed at run time, and spills
    spill_store_bytes: int
    spill_load_bytes: int


class Compilation(NamedTuple):
    cubin: bytes
    kernels: tuple[KernelUsage, ...]


class NvrtcVersion(NamedTuple):
    major: int
    minor: int


class Nvrtc:
    def __init__(self, library: ctypes.CDLL) -> None:
        self._library: Any = library
        major, minor = c_int(), c_int()
        self._check(library.nvrtcVersion(byref(major), byref(minor)))
        self.version = NvrtcVersion(major.value, minor.value)

    def architecture(self, compute_capability: tuple[int, int]) -> str:
        """The newest this NVRTC knows that such a GPU runs: code for 8.0 runs on 8.6 too."""
        major, minor = compute_capability
        fitting = [
            arch for arch in self._architectures() if 0 <= 10 * major + minor - arch <= minor
        ]
        if not fitting:
            raise DeviceError(
                f"NVRTC {self.version.major}.{self.version.minor} cannot compile for GPUs of"
                f" compute capability {major}.{minor}: install a newer CUDA"
            )
        return f"sm_{max(fitting)}"

    def compile(self, program: Program) -> Compilation:
        """DeviceError with the compiler's first complaints where it does not compile."""
        with self._program(program) as handle:
            options = _strings(program.options)
            status = self._library.nvrtcCompileProgram(handle, len(options), options)
            log = self._text(handle, "ProgramLog")
            if status:
                raise DeviceError(f"{program.name} does not compile: {_complaints(log)}")
            return Compilation(self._bytes(handle, "CUBIN"), parse_usage(log))

    @contextmanager
    def _program(self, program: Program) -> Iterator[c_void_p]:
        handle = c_void_p()
        texts = _strings([header.text for header in program.headers])
        names = _strings([header.name for header in program.headers])
        text, name = program.text.encode(), program.name.encode()
        create = self._library.nvrtcCreateProgram
        self._check(create(byref(handle), text, name, len(names), texts, names))
        try:
            yield handle
        finally:
            self._library.nvrtcDestroyProgram(byref(handle))

    def _architectures(self) -> list[int]:
        count = c_int()
        self._check(self._library.nvrtcGetNumSupportedArchs(byref(count)))
        numbers = (c_int * count.value)()
        self._check(self._library.nvrtcGetSupportedArchs(numbers))
        return list(numbers)

    def _text(self, handle: c_void_p, what: str) -> str:
        return self._bytes(handle, what).rstrip(b"\0").decode(errors="replace")

    def _bytes(self, handle: c_void_p, what: str) -> bytes:
        size = c_size_t()
        self._check(self._getter(f"{what}Size")(handle, byref(size)))
        buffer = ctypes.create_string_buffer(size.value)
        self._check(self._getter(what)(handle, buffer))
        return buffer.raw

    def _getter(self, what: str) -> Callable[..., int]:
        function: Callable[..., int] = getattr(self._library, f"nvrtcGet{what}")
        return function

    def _check(self, status: int) -> None:
        if status:
            self._library.nvrtcGetErrorString.restype = c_char_p
            reason = self._library.nvrtcGetErrorString(status).decode()
            raise DeviceError(f"the kernel compiler failed: {reason}")


def parse_usage(log: str) -> tuple[KernelUsage, ...]:
    """The assembler's report, a kernel a paragraph; what a kernel's callees spill counts as its."""
    _, *parts = _KERNEL.split(log)
    named = zip(parts[::2], parts[1::2], strict=True)
    return tuple(sorted(_usage(name, paragraph) for name, paragraph in named))


def _usage(name: str, paragraph: str) -> KernelUsage:
    return KernelUsage(
        name,
        num_registers=_total(_REGISTERS, paragraph),
        static_shared_bytes=_total(_STATIC_SHARED, paragraph),
        stack_bytes=_total(_STACK, paragraph),
        spill_store_bytes=_total(_SPILL_STORES, paragraph),
        spill_load_bytes=_total(_SPILL_LOADS, paragraph),
    )


def _total(pattern: re.Pattern[str], text: str) -> int:
    return sum(map(int, pattern.findall(text)))


def _complaints(log: str) -> str:
    errors = [line.strip() for line in log.splitlines() if "error:" in line]
    return "; ".join(errors[:_MAX_ERROR_LINES]) or log.strip()


def _strings(values: tuple[str, ...] | list[str]) -> ctypes.Array[c_char_p]:
    return (c_char_p * len(values))(*(value.encode() for value in values))
