"""Rows of the residual without their mean, for layer norms: what is left is normed as any row is.

One task is one row. Knows no norm.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_worker.cpu.native.kernel import Kernel, compile_kernel
from forge_worker.cpu.native.lanes import add16, load16, splat16, store16, sum16, zeros16
from forge_worker.cpu.native.memory import read_float, read_long, write_float


class CentreArguments(NamedTuple):
    """In the order of the record."""

    x: int  # float32, overwritten
    x_bytes: int  # of a row
    num_columns: int


AT = CentreArguments(*range(0, 8 * len(CentreArguments._fields), 8))


def compile_centre(name: str) -> Kernel:
    def centre(arguments: int, task: int, scratch: int) -> None:
        x = read_long(arguments + AT.x) + task * read_long(arguments + AT.x_bytes)
        num_columns = read_long(arguments + AT.num_columns)
        whole = num_columns // 16 * 16
        sums = zeros16()
        for first in range(0, whole, 16):
            sums = add16(sums, load16(x + 4 * first))
        total = sum16(sums)
        for column in range(whole, num_columns):
            total += read_float(x + 4 * column)
        mean = total / np.float32(num_columns)
        for first in range(0, whole, 16):
            store16(x + 4 * first, add16(load16(x + 4 * first), splat16(-mean)))
        for column in range(whole, num_columns):
            write_float(x + 4 * column, read_float(x + 4 * column) - mean)

    return compile_kernel(centre, name)
