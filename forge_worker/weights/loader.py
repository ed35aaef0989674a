"""WeightLoader: tensors of a checkpoint, placed on the device, each read once.

Strict both ways before a single weight is read: a missing tensor, a surplus one and a wrong shape
are errors. What is placed is a view of the mapped file, so that numbers go straight from there to
where they stay, joined projections too, and a rank reads no more than its part. Knows names and
bytes, not layers, and of number formats only which a GPU keeps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol, get_args

import numpy as np

from forge_common.backend_memory import kept_tensors
from forge_common.checkpoint import Checkpoint, TensorInfo
from forge_common.checkpoint.block_formats import STORED_FORMATS
from forge_common.checkpoint.tensor_info import PackedWeight
from forge_common.device_blocks import NO_BLOCKS, kept_blocks, run_format
from forge_common.errors import ModelError
from forge_common.sharding import WHOLE_MODEL, Shard, num_kv_parts
from forge_worker.ops.protocol import Array
from forge_worker.parallel.sharding import Sharding, own_part
from forge_worker.weights.head_order import Order, reorder
from forge_worker.weights.names import Shape, expected_tensors, is_harmless
from forge_worker.weights.packed_runs import read_runs
from forge_worker.weights.packed_tensor import read_packed
from forge_worker.weights.stored_tensor import (
    BlockDtype,
    PlainDtype,
    StoredDtype,
    StoredTensor,
    cut_between_blocks,
    widen,
)

Place = Callable[[Sequence[StoredTensor]], Array]
OnProgress = Callable[[int, int], None]  # bytes read, bytes to read
READABLE: Mapping[str, StoredDtype] = MappingProxyType(
    {name: name for name in (*get_args(PlainDtype), *get_args(BlockDtype))}
)


class TensorPart(NamedTuple):
    """Of a tensor that holds several projections, the `rows` of one."""

    name: str
    sharding: Sharding
    rows: slice = slice(None)
    order: Order | None = None  # of the dimensions in each head


class Placing(Protocol):
    """As much of Ops as weights need."""

    @property
    def keeps_blocks(self) -> bool: ...

    def place(self, parts: Sequence[StoredTensor]) -> Array: ...

    def place_router(self, weight: StoredTensor) -> Array: ...

    def place_blocks(self, parts: Sequence[StoredTensor]) -> Array: ...

    def place_norm(self, weight: StoredTensor) -> Array: ...


class WeightLoader:
    def __init__(
        self,
        checkpoint: Checkpoint,
        ops: Placing,
        on_progress: OnProgress,
        shard: Shard = WHOLE_MODEL,
    ) -> None:
        """ModelError unless the checkpoint has exactly the tensors that its config implies."""
        expected = expected_tensors(checkpoint.config)
        check_tensors(checkpoint, expected)
        self._checkpoint = checkpoint
        self._ops = ops
        self._shard = shard
        self._num_kv_parts = num_kv_parts(checkpoint.config, shard.num_ranks)
        self._on_progress = on_progress
        self._bytes_total = sum(checkpoint.tensors[name].num_bytes for name in expected)
        self._bytes_done = 0
        self._read: set[str] = set()
        kept = kept_blocks(kept_tensors(checkpoint)) if ops.keeps_blocks else NO_BLOCKS
        self._kept = kept.tensors

    def load(self, name: str, sharding: Sharding = Sharding.WHOLE) -> Array:
        return self.load_joined([TensorPart(name, sharding)])

    def load_joined(self, parts: Sequence[TensorPart]) -> Array:
        """Tensors that share all but their first dimension, one below the other.

        Progress counts a tensor as a whole, however little of it this rank reads.
        """
        names = dict.fromkeys(part.name for part in parts)
        whole = {name: self._read_whole(name) for name in names}
        own = [self._own(whole[part.name], part) for part in parts]
        placed = self._placing(names, own)(own)
        self._count(*names)
        return placed

    def load_router(self, name: str) -> Array:
        placed = self._ops.place_router(self._read_whole(name))
        self._count(name)
        return placed

    def load_norm(self, name: str, order: Order | None = None, scale: float = 1.0) -> Array:
        """The weight of a norm, with what its family adds to it, times `scale`."""
        part = TensorPart(name, Sharding.WHOLE, order=order)
        offset = self._checkpoint.config.norm_offset
        stored = self._own(self._read_whole(name), part)
        weight = np.empty(stored.shape, np.float32)
        widen(stored, weight)
        weight = (weight + np.float32(offset)) * np.float32(scale)
        self._count(name)
        return self._ops.place_norm(StoredTensor("F32", weight))

    def own_rows(self, array: Array) -> Array:
        """Of a weight that was loaded whole, the rows of this rank's outputs."""
        return array[self._shard.part_of(len(array), self._shard.num_ranks)]

    def _read_whole(self, name: str) -> StoredTensor:
        """Mapped, or where several tensors tell it, made of them."""
        tensor = self._checkpoint.tensors[name]
        if tensor.packed is not None:
            return self._read_packed(tensor, tensor.packed)
        return StoredTensor(READABLE[tensor.dtype], self._checkpoint.array(name))

    def _read_packed(self, tensor: TensorInfo, packed: PackedWeight) -> StoredTensor:
        """In runs where it is kept so."""
        runs = run_format(packed, tensor.shape[1]) if tensor.name in self._kept else None
        if runs is None:
            return read_packed(self._checkpoint, tensor, packed)
        return read_runs(self._checkpoint, tensor, packed, runs)

    def _placing(self, names: Iterable[str], own: Sequence[StoredTensor]) -> Place:
        """In blocks what may be kept in them, and is not cut within one."""
        is_kept = self._kept.issuperset(names) and all(part.dtype in STORED_FORMATS for part in own)
        return self._ops.place_blocks if is_kept else self._ops.place

    def _own(self, whole: StoredTensor, part: TensorPart) -> StoredTensor:
        stored = StoredTensor(whole.dtype, whole.array[part.rows])
        if part.sharding is Sharding.INPUTS:
            stored = cut_between_blocks(stored, self._shard.num_ranks)
        own = own_part(stored.array, part.sharding, self._shard, self._num_kv_parts)
        return StoredTensor(stored.dtype, own if part.order is None else reorder(own, part.order))

    def _count(self, *names: str) -> None:
        """Parts of one tensor count once."""
        new = set(names) - self._read
        self._read |= new
        self._bytes_done += sum(self._checkpoint.tensors[name].num_bytes for name in new)
        self._on_progress(self._bytes_done, self._bytes_total)


def check_tensors(checkpoint: Checkpoint, expected: Mapping[str, Shape]) -> None:
    tensors = checkpoint.tensors
    if missing := sorted(expected.keys() - tensors.keys()):
        raise ModelError(f"tensor `{missing[0]}` is missing{_and_more(missing)}")
    surplus = sorted(
        name
        for name in tensors.keys() - expected.keys()
        if not is_harmless(name, checkpoint.config) and not _is_empty_bias(checkpoint, name)
    )
    if surplus:
        file = tensors[surplus[0]].file
        raise ModelError(
            f"{file}: tensor `{surplus[0]}` belongs to no part of the model{_and_more(surplus)}"
        )
    for name, shape in expected.items():
        _check_tensor(tensors[name], shape)


def _is_empty_bias(checkpoint: Checkpoint, name: str) -> bool:
    """Some tools write zeros as the bias of a quantised weight that has none."""
    module, _, ending = name.rpartition(".")
    weight = checkpoint.tensors.get(f"{module}.weight")
    if ending != "bias" or weight is None or weight.packed is None:
        return False
    return not checkpoint.array(name).any()


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
