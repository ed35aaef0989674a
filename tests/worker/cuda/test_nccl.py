"""What is asked of NCCL, of one that runs on threads, must come to what the CPU's ranks give."""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, ClassVar

import numpy as np
import pytest

from forge_common.errors import ConfigError, DeviceError
from forge_common.sharding import Shard
from forge_worker.cuda.nccl import NcclCommunicator, make_unique_id
from forge_worker.ops.protocol import Array
from tests.worker.cuda.fake_cupy import DeviceArray

STREAM = 0x57
UNIQUE_ID = bytes(128)


class NcclError(RuntimeError):
    pass


class ThreadNccl:
    """The module: ranks are threads that meet at a barrier, and read each other's memory."""

    NcclError = NcclError
    available = True
    types: ClassVar[dict[int, type]] = {6: np.float16, 7: np.float32}

    def __init__(self, num_ranks: int) -> None:
        self.barrier = Barrier(num_ranks)
        self.offered = [0] * num_ranks
        self.open_groups = 0
        self.largest_group = 0
        self.in_group = 0
        self.fails = False

    def get_unique_id(self) -> bytes:
        return UNIQUE_ID

    def groupStart(self) -> None:
        self.in_group = 0

    def groupEnd(self) -> None:
        self.largest_group = max(self.largest_group, self.in_group)

    def NcclCommunicator(self, num_ranks: int, unique_id: bytes, rank: int) -> Any:
        assert unique_id == UNIQUE_ID
        return ThreadRank(self, num_ranks, rank)


class ThreadRank:
    def __init__(self, nccl: ThreadNccl, num_ranks: int, rank: int) -> None:
        self.nccl, self.num_ranks, self.rank = nccl, num_ranks, rank

    def others(self, source: int, num_bytes: int) -> list[bytes]:
        if self.nccl.fails:
            raise NcclError("a cable is loose")
        self.nccl.offered[self.rank] = source
        self.nccl.barrier.wait()
        parts = [ctypes.string_at(address, num_bytes) for address in self.nccl.offered]
        self.nccl.barrier.wait()
        return parts

    def allReduce(self, *args: int) -> None:
        source, target, count, kind, operation, stream = args
        assert (operation, stream) == (0, STREAM)
        dtype = np.dtype(self.nccl.types[kind])
        parts = self.others(source, count * dtype.itemsize)
        total = sum(np.frombuffer(part, dtype) for part in parts)
        ctypes.memmove(target, np.asarray(total).tobytes(), count * dtype.itemsize)

    def allGather(self, source: int, target: int, count: int, kind: int, stream: int) -> None:
        assert (kind, stream) == (1, STREAM)
        self.nccl.in_group += 1
        ctypes.memmove(target, b"".join(self.others(source, count)), count * self.num_ranks)


class OnStream:
    stream = STREAM


@pytest.fixture
def nccl(monkeypatch: pytest.MonkeyPatch) -> ThreadNccl:
    fake = ThreadNccl(2)
    cuda = type("cuda", (), {"nccl": fake})
    monkeypatch.setitem(sys.modules, "cupy", type("cupy", (), {"cuda": cuda}))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "cupy.cuda", cuda)  # type: ignore[arg-type]
    return fake


def communicator(rank: int) -> NcclCommunicator:
    gathered = np.zeros(1 << 20, np.uint8).view(DeviceArray)
    device: Any = OnStream()
    return NcclCommunicator(device, Shard(rank, 2), UNIQUE_ID, gathered)


def on_both(work: Any, arrays: list[Any]) -> list[Array]:
    with ThreadPoolExecutor(2) as pool:
        return list(
            pool.map(lambda rank: work(communicator(rank), arrays[rank].view(DeviceArray)), (0, 1))
        )


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_sum_is_left_on_every_rank(nccl: ThreadNccl, dtype: type) -> None:
    arrays = [np.arange(6, dtype=dtype).reshape(2, 3) * scale for scale in (1, 10)]
    on_both(lambda ranks, array: ranks.all_reduce_sum(array), arrays)
    for array in arrays:
        assert (array == np.arange(6).reshape(2, 3) * 11).all()


@pytest.mark.parametrize("num_rows", [0, 1, 3, 600])
def test_columns_of_all_ranks_lie_side_by_side(nccl: ThreadNccl, num_rows: int) -> None:
    arrays = [
        np.arange(num_rows * 5, dtype=np.float32).reshape(num_rows, 5) + 10_000 * rank
        for rank in (0, 1)
    ]
    for gathered in on_both(lambda ranks, array: ranks.all_gather_columns(array), arrays):
        assert gathered.tolist() == np.concatenate(arrays, axis=1).tolist()


def test_groups_stay_within_what_nccl_holds(nccl: ThreadNccl) -> None:
    arrays = [np.zeros((2000, 1), np.float32) for _ in (0, 1)]
    on_both(lambda ranks, array: ranks.all_gather_columns(array), arrays)
    assert nccl.largest_group <= 2 * 512  # both ranks count in one


def test_failure_between_gpus_is_a_device_error(nccl: ThreadNccl) -> None:
    nccl.fails = True
    array = np.zeros((2, 3), np.float32).view(DeviceArray)
    with pytest.raises(DeviceError, match="a sum of all ranks failed: a cable is loose"):
        communicator(0).all_reduce_sum(array)
    with pytest.raises(DeviceError, match="a gathering of all ranks failed: a cable is loose"):
        communicator(0).all_gather_columns(array)


def test_id_is_made_by_nccl(nccl: ThreadNccl) -> None:
    assert make_unique_id() == UNIQUE_ID


def test_missing_nccl_names_what_to_install(nccl: ThreadNccl) -> None:
    nccl.available = False
    with pytest.raises(ConfigError, match="pip install nvidia-nccl-cu13"):
        make_unique_id()
