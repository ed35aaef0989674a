"""A weight told by several tensors of a checkpoint, as one StoredTensor [outputs, inputs].

It is what its TensorInfo says it is handed on as, or where the numbers do not fit that exactly, a
wider form that holds them. Checks what only the numbers show. Knows which array is what, and no
layout of bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from forge_common.checkpoint import Checkpoint, TensorInfo
from forge_common.checkpoint.tensor_info import PackedWeight
from forge_common.errors import ModelError
from forge_worker.quantization.fields import Floats
from forge_worker.quantization.packed.exact_blocks import exact_blocks
from forge_worker.quantization.packed.layouts import LAYOUTS, PackedArrays
from forge_worker.quantization.packed.scaled_weight import Groups, Order, ScaledWeight
from forge_worker.weights.stored_tensor import BlockDtype, PlainDtype, StoredTensor, widen

BLOCKS: Mapping[str, tuple[BlockDtype, ...]] = MappingProxyType(
    {"Q4_0": ("Q4_0", "Q8_0"), "Q8_0": ("Q8_0",)}
)
PLAIN: Mapping[str, PlainDtype] = MappingProxyType({"F32": "F32", "F16": "F16", "BF16": "BF16"})


def read_packed(checkpoint: Checkpoint, tensor: TensorInfo, packed: PackedWeight) -> StoredTensor:
    """ModelError, naming the tensor, where numbers contradict the shapes."""
    weight = scaled_weight(checkpoint, tensor, packed)
    for dtype in BLOCKS.get(tensor.dtype, ()):
        blocks = exact_blocks(weight, dtype)
        if blocks is not None:
            return StoredTensor(dtype, blocks)
    return StoredTensor("F32", weight.widen())


def scaled_weight(checkpoint: Checkpoint, tensor: TensorInfo, packed: PackedWeight) -> ScaledWeight:
    num_outputs, num_inputs = tensor.shape
    _check_stated_shape(checkpoint, tensor, packed)
    zeros = None if packed.zeros is None else checkpoint.array_of(packed.zeros)
    arrays = PackedArrays(
        packed.scheme,
        (num_outputs, num_inputs),
        checkpoint.array_of(packed.numbers),
        _wide(checkpoint, packed.scales),
        zeros,
        packed.rows_per_scale,
        Groups(packed.columns_per_scale, _order(checkpoint, tensor, packed)),
    )
    return LAYOUTS[packed.scheme.kind](arrays)


def _order(checkpoint: Checkpoint, tensor: TensorInfo, packed: PackedWeight) -> Order | None:
    """The group of each input; None where groups are runs of neighbours."""
    if packed.order is None:
        return None
    order = checkpoint.array_of(packed.order).astype(np.int64)
    num_inputs, size = tensor.shape[1], packed.columns_per_scale
    if order.min() < 0 or order.max() >= -(-num_inputs // size):
        raise ModelError(
            f"{packed.order.file}: tensor `{packed.order.name}` names a group beyond the"
            f" {-(-num_inputs // size)} that there are"
        )
    return None if np.array_equal(order, np.arange(num_inputs) // size) else order


def _check_stated_shape(checkpoint: Checkpoint, tensor: TensorInfo, packed: PackedWeight) -> None:
    stated = packed.stated_shape
    if stated is None:
        return
    shape = checkpoint.array_of(stated).tolist()
    if shape != list(tensor.shape):
        raise ModelError(
            f"{stated.file}: tensor `{stated.name}` says {shape}, but"
            f" `{packed.numbers.name}` holds {list(tensor.shape)}"
        )


def _wide(checkpoint: Checkpoint, scales: TensorInfo) -> Floats:
    array = checkpoint.array_of(scales)
    wide = np.empty(array.shape, np.float32)
    widen(StoredTensor(PLAIN[scales.dtype], array), wide)
    return wide
