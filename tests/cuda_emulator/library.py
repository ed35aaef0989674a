"""A compiled kernel file in this process: kernels as Python functions over NumPy arrays."""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from forge_worker.cuda.device import Argument, Dim3
from tests.cuda_emulator.compiler import CompiledFile, runtime_library
from tests.cuda_emulator.faults import emulated_fault

# Grid, block, bytes of shared memory, order, seconds, address of the arguments; see cpp/launch.h.
_REQUEST = struct.Struct("6I4Q")
# What the letters of a signature stand for; cpp/launch.h has the other half of this table.
_SLOTS = {"q": "q", "i": "i4x", "f": "f4x"}
_ADDRESS = "Q"
_SCALARS = {"q": (np.int64, np.uint64), "i": (np.int32, np.uint32), "f": (np.float32,)}
_ARRAYS = {
    "F": (np.float32,),
    "I": (np.int32,),
    "U": (np.uint32, np.int32),
    "Q": (np.int64,),
    "B": (np.uint16,),
    "H": (np.float16,),
}

Launch = Callable[[], None]


class LaunchSettings(NamedTuple):
    order: int  # of blocks, warps and lanes, see cpp/schedule.h
    max_seconds: int  # of the processor's time; what takes longer is taken for endless


class EmulatedKernel:
    """One `__global__` function. `queue` runs a launch, now or whenever a graph is replayed."""

    def __init__(
        self, library: ctypes.PyDLL, name: str, how: LaunchSettings, queue: Callable[[Launch], None]
    ) -> None:
        self.name = name
        self._signature = _signature(library, name)
        self._slots = struct.Struct(
            "<" + "".join(_SLOTS.get(letter, _ADDRESS) for letter in self._signature)
        )
        self._launch = library[f"launch_{name}"]
        self._launch.argtypes = [ctypes.c_char_p]
        self._launch.restype = ctypes.c_char_p
        self._how = how
        self._queue = queue

    def __call__(
        self, grid: Dim3, block: Dim3, args: Sequence[Argument], shared_bytes: int = 0
    ) -> None:
        slots = ctypes.create_string_buffer(self._packed(args), max(self._slots.size, 8))
        address = ctypes.addressof(slots)
        request = _REQUEST.pack(*grid, *block, shared_bytes, *self._how, address)
        kept = [args, slots]  # as long as the launch may be replayed

        def launch() -> None:
            fault = self._launch(request)
            if fault is not None:
                raise emulated_fault(self.name, fault.decode())
            assert kept

        self._queue(launch)

    def _packed(self, args: Sequence[Argument]) -> bytes:
        if len(args) != len(self._signature):
            raise TypeError(f"{self.name} takes {len(self._signature)} arguments, not {len(args)}")
        values = map(self._value, range(len(args)), self._signature, args)
        return self._slots.pack(*values)

    def _value(self, place: int, letter: str, argument: Argument) -> Any:
        wanted = _SCALARS.get(letter)
        if wanted is None:
            return self._address(place, letter, argument)
        if not isinstance(argument, wanted):
            raise TypeError(f"{self._name_of(place, argument)}, not {wanted[0].__name__}")
        return np.asarray(argument).astype(wanted[0]).item()

    def _address(self, place: int, letter: str, argument: Argument) -> int:
        """Of an array without gaps and of the right type; bytes are memory for anything."""
        if not isinstance(argument, np.ndarray):
            raise TypeError(f"{self._name_of(place, argument)}, no array")
        wanted = _ARRAYS.get(letter, ())
        if wanted and argument.dtype not in (*wanted, np.uint8):
            raise TypeError(
                f"argument {place} of {self.name} holds {argument.dtype}, not {wanted[0].__name__}"
            )
        if not argument.flags.c_contiguous:
            raise ValueError(f"argument {place} of {self.name} has gaps between its elements")
        return argument.ctypes.data

    def _name_of(self, place: int, argument: Argument) -> str:
        return f"argument {place} of {self.name} is {type(argument).__name__}"


def load(compiled: CompiledFile) -> ctypes.PyDLL:
    """With the interpreter's lock held during calls: the emulator runs one launch at a time."""
    ctypes.CDLL(str(runtime_library()))  # which kernels know by its name alone
    return ctypes.PyDLL(str(compiled.path))


def _signature(library: ctypes.PyDLL, name: str) -> str:
    function = library[f"signature_{name}"]
    function.restype = ctypes.c_char_p
    letters: bytes = function()
    return letters.decode()
