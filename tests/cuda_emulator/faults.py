"""What goes wrong in emulated kernels, and in compiling them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from forge_common.errors import DeviceError

_BUILT_INS = Path(__file__).with_name("cpp")
_CODE = re.compile(r", code (?P<library>\S+) (?P<offset>0x[0-9a-f]+)$")


class EmulatedFault(DeviceError):
    """A kernel did what a GPU would answer with an error, or with anything at all."""


class CompileError(DeviceError):
    """The C++ compiler refuses a kernel file; the message is the compiler's."""


def emulated_fault(kernel: str, sentence: str) -> EmulatedFault:
    """With lines of source in place of an address in a library, the innermost first."""
    code = _CODE.search(sentence)
    if code is None:
        return EmulatedFault(f"{kernel}: {sentence}")
    lines = _lines(code["library"], code["offset"])
    return EmulatedFault(f"{kernel}: {sentence[: code.start()]}, at {lines}")


def _lines(library: str, offset: str) -> str:
    """Of the instruction, and of the calls that were inlined around it; built-ins left out."""
    command = ["addr2line", "--inlines", "--exe", library, offset]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return f"{offset} of {library}"
    places = [Path(place.split(" (")[0]) for place in done.stdout.splitlines()]
    of_kernel = [place.name for place in places if place.parent != _BUILT_INS]
    return " in ".join(of_kernel or [place.name for place in places])
