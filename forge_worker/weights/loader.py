"""WeightLoader: tensors of a checkpoint as float32 arrays, each read once.

Strict both ways before a single weight is read: a missing tensor, a surplus one and a wrong shape
are errors. Half precision is widened straight from the mapped file into its final place, joined
projections too, so that no second copy ever exists. Knows names and bytes, not layers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from forge_common.checkpoint import Checkpoint, TensorInfo
from forge_common.errors import ModelError
from forge_worker.forward_inputs import FloatArray
from forge_worker.weights.names import Shape, expected_tensors, is_harmless

OnProgress = Callable[[int, int], None]  # bytes read, bytes to read
READABLE = frozenset({"F32", "F16", "BF16"})


class WeightLoader:
    def __init__(self, checkpoint: Checkpoint, on_progress: OnProgress) -> None:
        """ModelError unless the checkpoint has exactly the tensors that its config implies."""
        expected = expected_tensors(checkpoint.config)
        check_tensors(checkpoint, expected)
        self._checkpoint = checkpoint
        self._on_progress = on_progress
        self._bytes_total = sum(checkpoint.tensors[name].num_bytes for name in expected)
        self._bytes_done = 0

    def load(self, name: str) -> FloatArray:
        return self.load_joined([name])

    def load_joined(self, names: Sequence[str]) -> FloatArray:
        """Tensors that share all but their first dimension, one below the other."""
        tensors = [self._checkpoint.tensors[name] for name in names]
        num_rows = sum(tensor.shape[0] for tensor in tensors)
        joined = np.empty((num_rows, *tensors[0].shape[1:]), np.float32)
        row = 0
        for tensor in tensors:
            self._read(tensor, joined[row : row + tensor.shape[0]])
            row += tensor.shape[0]
        return joined

    def _read(self, tensor: TensorInfo, out: FloatArray) -> None:
        stored = self._checkpoint.array(tensor.name)
        if tensor.dtype == "BF16":
            widened = out.view(np.uint32)
            np.copyto(widened, stored)
            np.left_shift(widened, 16, out=widened)
        else:
            np.copyto(out, stored)
        self._bytes_done += tensor.num_bytes
        self._on_progress(self._bytes_done, self._bytes_total)


def check_tensors(checkpoint: Checkpoint, expected: Mapping[str, Shape]) -> None:
    tensors = checkpoint.tensors
    if missing := sorted(expected.keys() - tensors.keys()):
        raise ModelError(f"tensor `{missing[0]}` is missing{_and_more(missing)}")
    surplus = sorted(
        name
        for name in tensors.keys() - expected.keys()
        if not is_harmless(name, checkpoint.config)
    )
    if surplus:
        file = tensors[surplus[0]].file
        raise ModelError(
            f"{file}: tensor `{surplus[0]}` belongs to no part of the model{_and_more(surplus)}"
        )
    for name, shape in expected.items():
        _check_tensor(tensors[name], shape)


def _check_tensor(tensor: TensorInfo, shape: Shape) -> None:
    if tensor.shape != shape:
        raise ModelError(
            f"{tensor.file}: tensor `{tensor.name}` has shape {list(tensor.shape)},"
            f" the config implies {list(shape)}"
        )
    if tensor.dtype not in READABLE:
        raise ModelError(
            f"{tensor.file}: tensor `{tensor.name}` is {tensor.dtype};"
            f" weights must be {', '.join(sorted(READABLE))}"
        )


def _and_more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""
