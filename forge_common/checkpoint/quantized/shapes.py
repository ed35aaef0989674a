"""What the tensors of a quantised weight must look like, and what the weight is handed on as.

              integers               scales               zero points
    gptq      [inputs / n, outputs]  [groups, outputs]    [groups, outputs / n]
    awq       [inputs, outputs / n]  [groups, outputs]    [groups, outputs / n]
    packed    [outputs, inputs / n]  [outputs, groups]    [outputs / n, groups]
    int8      [outputs, inputs]      [outputs, groups]    as scales
    fp8       [outputs, inputs]      rows, columns of the grid

Knows headers, not numbers.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from forge_common.checkpoint.quantized.scheme import Grid, Scheme
from forge_common.checkpoint.tensor_info import PackedWeight, TensorInfo
from forge_common.errors import ModelError

Shape = tuple[int, ...]
SCALE_DTYPES = ("BF16", "F16", "F32")
INDEX_DTYPES = ("I32", "I64")
BLOCK = 32  # numbers of a block of Q8_0 or Q4_0


class Found(NamedTuple):
    numbers: TensorInfo
    scales: TensorInfo
    zeros: TensorInfo | None
    order: TensorInfo | None
    stated_shape: TensorInfo | None


def weight_shape(numbers: TensorInfo, scheme: Scheme) -> tuple[int, int]:
    """ModelError unless the tensor is a matrix with something in it."""
    if len(numbers.shape) != 2 or 0 in numbers.shape:
        raise ModelError(f"{numbers.file}: tensor `{numbers.name}` is no matrix")
    rows, columns = numbers.shape
    match scheme.kind:
        case "gptq":
            return columns, rows * scheme.num_a_word
        case "awq":
            return columns * scheme.num_a_word, rows
        case "packed":
            return rows, columns * scheme.num_a_word
        case "int8" | "fp8":
            return rows, columns


def packed_weight(found: Found, scheme: Scheme, shape: tuple[int, int]) -> PackedWeight:
    """ModelError, naming file and tensor, where a part is missing or looks otherwise."""
    grid = scheme.grid or _grid_by_shape(found.scales, shape)
    rows_per_scale, columns_per_scale = grid.rows or shape[0], grid.columns or shape[1]
    num_scales = (-(-shape[0] // rows_per_scale), -(-shape[1] // columns_per_scale))
    check_dtype(found.scales, SCALE_DTYPES)
    _check_scales(found.scales, num_scales, scheme)
    _check_zeros(found, num_scales, scheme)
    _check_order(found, shape[1], scheme)
    return PackedWeight(
        scheme=scheme,
        rows_per_scale=rows_per_scale,
        columns_per_scale=columns_per_scale,
        numbers=found.numbers,
        scales=found.scales,
        zeros=found.zeros,
        order=found.order,
        stated_shape=found.stated_shape,
    )


def handed_on_as(weight: PackedWeight, shape: tuple[int, int]) -> Literal["F32", "Q8_0", "Q4_0"]:
    """The smallest form that holds exactly what numbers in their places are; float32 else.

    | scales               | integers            |       |
    |----------------------|---------------------|-------|
    | of a multiple of 32  | 4 bits, symmetric   | Q4_0  |
    | neighbours, in half  | 4 bits              | Q8_0  |
    | precision            | 8 bits, symmetric   | Q8_0  |
    | others, and fp8      |                     | F32   |
    """
    scheme = weight.scheme
    is_in_runs = weight.columns_per_scale % BLOCK == 0 or weight.columns_per_scale == shape[1]
    fits = shape[1] % BLOCK == 0 and is_in_runs and not scheme.has_order
    if not fits or scheme.kind == "fp8" or weight.scales.dtype == "F32":
        return "F32"
    if scheme.bits == 4:
        return "Q4_0" if scheme.is_symmetric else "Q8_0"
    return "Q8_0" if scheme.is_symmetric else "F32"


def _grid_by_shape(scales: TensorInfo, shape: tuple[int, int]) -> Grid:
    """One scale for all numbers, or one for each row."""
    if math.prod(scales.shape) == 1:
        return Grid(None, None)
    return Grid(1, None)


def _check_scales(scales: TensorInfo, num_scales: tuple[int, int], scheme: Scheme) -> None:
    if scheme.kind in ("gptq", "awq"):
        _check_shape(scales, (num_scales[1], num_scales[0]))
    else:
        _check_shape(scales, *_written_as(num_scales))


def _check_zeros(found: Found, num_scales: tuple[int, int], scheme: Scheme) -> None:
    zeros, (rows, groups) = found.zeros, num_scales
    is_needed = scheme.kind in ("gptq", "awq") or not scheme.is_symmetric
    if zeros is None:
        if is_needed:
            raise ModelError(
                f"{found.numbers.file}: the zero points of `{found.numbers.name}` are missing"
            )
    elif scheme.kind in ("gptq", "awq"):
        check_dtype(zeros, ("I32",))
        _check_shape(zeros, (groups, -(-rows // scheme.num_a_word)))
    elif zeros.dtype == "I32":
        _check_shape(zeros, (-(-rows // scheme.num_a_word), groups))
    else:
        check_dtype(zeros, ("I8",))
        _check_shape(zeros, *_written_as(num_scales))


def _check_order(found: Found, num_inputs: int, scheme: Scheme) -> None:
    order, stated_shape = found.order, found.stated_shape
    if order is not None:
        check_dtype(order, INDEX_DTYPES)
        _check_shape(order, (num_inputs,))
    elif scheme.has_order:
        raise ModelError(
            f"{found.numbers.file}: the order of the groups of `{found.numbers.name}` is missing"
        )
    if stated_shape is not None:
        check_dtype(stated_shape, INDEX_DTYPES)
        _check_shape(stated_shape, (2,))


def _written_as(num_scales: tuple[int, int]) -> tuple[Shape, ...]:
    """Ways to write so many scales: axes of one entry may be left out."""
    rows, groups = num_scales
    if groups > 1:
        return ((rows, groups),)
    return ((rows, 1), (rows,), ()) if rows == 1 else ((rows, 1), (rows,))


def _check_shape(tensor: TensorInfo, *shapes: Shape) -> None:
    if tensor.shape not in shapes:
        raise ModelError(
            f"{tensor.file}: tensor `{tensor.name}` has shape {list(tensor.shape)}, but"
            f" {list(shapes[0])} follows from the integers and `quantization_config`"
        )


def check_dtype(tensor: TensorInfo, dtypes: tuple[str, ...]) -> None:
    if tensor.dtype not in dtypes:
        raise ModelError(
            f"{tensor.file}: tensor `{tensor.name}` is {tensor.dtype}; as part of a quantised"
            f" weight it must be {' or '.join(dtypes)}"
        )
