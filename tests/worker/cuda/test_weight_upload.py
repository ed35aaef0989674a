"""Weights reach the device exactly, whatever they are stored as and however large they are."""

from __future__ import annotations

from contextlib import closing

import numpy as np
import pytest

from forge_worker.cuda import weight_upload
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.weight_upload import WeightUpload
from forge_worker.quantization.encode import encode
from forge_worker.weights.stored_tensor import StoredTensor, widen
from tests.cuda_emulator.delayed import DelayedDevice
from tests.worker.cuda.arrays import empty_on, to_host

STORED = {"BF16": Precision.BFLOAT16, "F16": Precision.FLOAT16, "F32": Precision.FLOAT32}


def values(*shape: int) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(shape).astype(np.float32)


def stored(dtype: str, array: np.ndarray) -> StoredTensor:
    return StoredTensor(dtype, STORED[dtype].rounded(array))


def uploaded(device: Device, precision: Precision, parts: list[StoredTensor]) -> np.ndarray:
    shape = (sum(len(part.array) for part in parts), *parts[0].shape[1:])
    target = empty_on(device, shape, precision.dtype)
    with closing(WeightUpload(device)) as upload:
        upload.put(parts, target, precision)
    return to_host(device, target)


@pytest.mark.parametrize("dtype", STORED)
@pytest.mark.parametrize("precision", Precision)
def test_numbers_are_rounded_once(device: Device, dtype: str, precision: Precision) -> None:
    part = stored(dtype, values(5, 6))
    expected = precision.rounded(STORED[dtype].widened(part.array))
    assert (uploaded(device, precision, [part]) == expected).all()


def test_parts_lie_one_below_the_other(device: Device) -> None:
    parts = [stored("BF16", values(rows, 8)) for rows in (3, 1, 5)]
    expected = np.concatenate([part.array for part in parts])
    assert (uploaded(device, Precision.BFLOAT16, parts) == expected).all()


def test_part_of_a_rank_may_have_gaps(device: Device) -> None:
    whole = stored("F16", values(4, 12))
    part = StoredTensor("F16", whole.array[:, 3:9])
    assert (uploaded(device, Precision.FLOAT16, [part]) == part.array).all()


def test_vectors_are_weights_too(device: Device) -> None:
    part = stored("F32", values(7))
    assert (uploaded(device, Precision.FLOAT32, [part]) == part.array).all()


def test_large_weights_go_through_small_buffers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device that copies as late as it may: no buffer is filled again before it was read."""
    monkeypatch.setattr(weight_upload, "BUFFER_BYTES", 64)
    parts = [stored("BF16", values(rows, 8)) for rows in (21, 10)]
    expected = np.concatenate([part.array for part in parts])
    assert (uploaded(DelayedDevice(), Precision.BFLOAT16, parts) == expected).all()


@pytest.mark.parametrize("dtype", ["Q8_0", "Q4_K"])
def test_blocks_are_widened_on_the_way(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    """A piece of rows at a time, beside parts that are no blocks."""
    monkeypatch.setattr(weight_upload, "BUFFER_BYTES", 2048)
    blocks = StoredTensor(dtype, encode(dtype, values(9, 256)))
    wide = np.empty((9, 256), np.float32)
    widen(blocks, wide)
    parts = [blocks, stored("F32", values(2, 256))]
    expected = Precision.BFLOAT16.rounded(np.concatenate([wide, values(2, 256)]))
    assert (uploaded(DelayedDevice(), Precision.BFLOAT16, parts) == expected).all()
