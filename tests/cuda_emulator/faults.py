"""What goes wrong in emulated kernels, and in compiling them."""

from __future__ import annotations

from forge_common.errors import DeviceError


class EmulatedFault(DeviceError):
    """A kernel did what a GPU would answer with an error, or with anything at all."""


class CompileError(DeviceError):
    """The C++ compiler refuses a kernel file; the message is the compiler's."""
