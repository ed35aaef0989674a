"""Which instruction set kernels are compiled for: see forge_common/instruction_set.py."""

from __future__ import annotations

from forge_common.instruction_set import InstructionSet, Int8Dot

__all__ = ["InstructionSet", "Int8Dot"]
