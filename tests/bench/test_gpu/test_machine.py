"""The machine of a real GPU, over a CuPy and a cublasLt that are none."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from forge_common.nvidia_gpus import Gpu
from forge_worker.cuda.cublaslt import Product
from tests.bench.gpu import machine as module
from tests.bench.gpu.machine import CupyMachine, clocks
from tests.cuda_emulator import EmulatedDevice
from tests.cuda_emulator.opaque import OpaqueArray
from tests.worker.cuda.fake_cublaslt import FakeCublasLt
from tests.worker.cuda.fake_cupy import Runtime

STREAM = 0x57
MIB = 2**20


class CopyingRuntime(Runtime):
    memcpyDeviceToDevice = 3
    kinds: tuple[int, ...] = ()

    def memcpyAsync(self, target: int, source: int, size: int, kind: int, stream: int) -> None:
        self.kinds += (kind, stream)
        super().memcpyAsync(target, source, size, kind, stream)


class FakeTime:
    """Events are 5 ms apart."""

    def __init__(self) -> None:
        self.runtime = CopyingRuntime()
        self.num_events = 0

    def Event(self) -> Any:
        event = SimpleNamespace(at_ms=None)

        def record(stream: int) -> None:
            assert stream == ("external", STREAM)
            self.num_events += 1
            event.at_ms = 5.0 * self.num_events

        event.record = record
        return event

    def ExternalStream(self, pointer: int) -> tuple[str, int]:
        return "external", pointer

    def get_elapsed_time(self, start: Any, end: Any) -> float:
        return end.at_ms - start.at_ms


class StreamDevice(EmulatedDevice):
    stream = STREAM


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    cuda = FakeTime()
    monkeypatch.setitem(sys.modules, "cupy", SimpleNamespace(cuda=cuda))
    return cuda


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, cuda: FakeTime, tmp_path: Path) -> CupyMachine:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    gpus = [Gpu("some card", 100 * MIB, 90 * MIB), Gpu("some card", 100 * MIB, 30 * MIB)]
    monkeypatch.setattr(module, "find_gpu", lambda index, environment: gpus.pop(0))
    monkeypatch.setattr(module, "open_device", lambda index, folder: StreamDevice())
    return CupyMachine()


def test_stamps_are_times_of_the_device(machine: CupyMachine) -> None:
    first, _, third = (machine.stamp() for _ in range(3))
    assert third.seconds_since(first) == pytest.approx(0.010)


def test_memory_is_what_the_driver_says(machine: CupyMachine) -> None:
    assert machine.free_at_start == 90 * MIB
    assert machine.used_bytes() == 70 * MIB


def test_a_copy_stays_on_the_device(machine: CupyMachine, cuda: FakeTime) -> None:
    source, target = np.arange(64, dtype=np.uint8), np.zeros(64, np.uint8)
    machine.copy(OpaqueArray(target), OpaqueArray(source))
    assert (target == source).all()
    assert cuda.runtime.kinds == (CopyingRuntime.memcpyDeviceToDevice, STREAM)


def test_a_product_gets_an_algorithm_that_was_measured(
    machine: CupyMachine, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = FakeCublasLt(queue=machine.device.queue)
    monkeypatch.setattr(module, "open_library", lambda name: fake)
    scratch = machine.device.allocate(34 * MIB)
    gemm = machine.tuned_gemm(Product(16, 16, 16, 16, False, False), [16], scratch)
    assert set(fake.used) == {1, 2, 3}
    weight = np.eye(16, dtype=np.uint16) * np.uint16(0x3F80)
    x, out = np.full((16, 16), 0x4000, np.uint16), np.zeros((16, 16), np.uint16)
    gemm(x, weight, out, accumulate=False)
    assert (out == 0x4000).all()


TOOL = """#!/bin/sh
echo "name, clocks.current.sm [MHz], power.limit [W]"
echo "some card, 1980 MHz, 700.00 W"
"""


def test_clocks_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(TOOL)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert clocks() == "name some card, clocks.current.sm [MHz] 1980 MHz, power.limit [W] 700.00 W"


def test_without_the_tool_no_clocks_are_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert clocks() == ""
