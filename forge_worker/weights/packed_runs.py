"""A weight told by several tensors of a checkpoint, as the runs that a GPU keeps of it.

Knows which array is what, and no layout of bits.
"""

from __future__ import annotations

from forge_common.checkpoint import Checkpoint, TensorInfo
from forge_common.checkpoint.tensor_info import PackedWeight
from forge_common.device_blocks import RunFormatName
from forge_common.errors import ModelError
from forge_worker.quantization.fields import Bytes
from forge_worker.quantization.packed.runs import float_runs, integer_runs
from forge_worker.weights.packed_tensor import scaled_weight
from forge_worker.weights.stored_tensor import StoredTensor


def read_runs(
    checkpoint: Checkpoint, tensor: TensorInfo, packed: PackedWeight, dtype: RunFormatName
) -> StoredTensor:
    """ModelError, naming the tensor, where its numbers are not what the config promises."""
    try:
        return StoredTensor(dtype, _runs(checkpoint, tensor, packed, dtype))
    except ValueError as error:
        raise ModelError(
            f"{tensor.file}: the quantised `{tensor.name}` is not what `quantization_config` says:"
            f" {error}; --dtype bfloat16 computes with it all the same"
        ) from error


def _runs(
    checkpoint: Checkpoint, tensor: TensorInfo, packed: PackedWeight, dtype: RunFormatName
) -> Bytes:
    weight, scheme = scaled_weight(checkpoint, tensor, packed), packed.scheme
    if scheme.kind == "fp8":
        return float_runs(weight, dtype, checkpoint.array_of(packed.numbers))
    least = -scheme.middle if scheme.kind == "packed" else 0
    return integer_runs(weight, dtype, least)
