"""WeightLoader: tensors of a checkpoint, placed on the device, each read once.

Strict both ways before a single weight is read: a missing tensor, a surplus one and a wrong shape
are errors. What is placed is a view of the mapped file, so that numbers go straight from there to
where they stay, joined projections too. Knows names and bytes, not layers, and no number format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from forge_common.checkpoint import Checkpoint, TensorInfo
from forge_common.errors import ModelError
from forge_worker.ops.protocol import Array
from forge_worker.weights.names import Shape, expected_tensors, is_harmless
from forge_worker.weights.stored_tensor import StoredDtype, StoredTensor

Place = Callable[[Sequence[StoredTensor]], Array]  # as Ops.place
OnProgress = Callable[[int, int], None]  # bytes read, bytes to read
READABLE: Mapping[str, StoredDtype] = MappingProxyType({"F32": "F32", "F16": "F16", "BF16": "BF16"})


class WeightLoader:
    def __init__(self, checkpoint: Checkpoint, place: Place, on_progress: OnProgress) -> None:
        """ModelError unless the checkpoint has exactly the tensors that its config implies."""
        expected = expected_tensors(checkpoint.config)
        check_tensors(checkpoint, expected)
        self._checkpoint = checkpoint
        self._place = place
        self._on_progress = on_progress
        self._bytes_total = sum(checkpoint.tensors[name].num_bytes for name in expected)
        self._bytes_done = 0

    def load(self, name: str) -> Array:
        return self.load_joined([name])

    def load_joined(self, names: Sequence[str]) -> Array:
        """Tensors that share all but their first dimension, one below the other."""
        tensors = [self._checkpoint.tensors[name] for name in names]
        placed = self._place([self._stored(tensor) for tensor in tensors])
        self._bytes_done += sum(tensor.num_bytes for tensor in tensors)
        self._on_progress(self._bytes_done, self._bytes_total)
        return placed

    def _stored(self, tensor: TensorInfo) -> StoredTensor:
        return StoredTensor(READABLE[tensor.dtype], self._checkpoint.array(tensor.name))


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
