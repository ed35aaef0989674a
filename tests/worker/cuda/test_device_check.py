"""Whatever keeps a GPU from being used is said in one sentence that names it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from forge_common.errors import ConfigError, DeviceError, ForgeError
from forge_common.nvidia_gpus import Gpu, Holder
from forge_worker.cuda import device_check
from forge_worker.cuda.device_check import open_device
from tests.worker.cuda.fake_cupy import INSUFFICIENT_DRIVER, OUT_OF_MEMORY, FakeCupy


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> FakeCupy:
    fake = FakeCupy()
    monkeypatch.setitem(sys.modules, "cupy", fake)  # type: ignore[arg-type]
    return fake


def refusal(tmp_path: Path, index: int = 0) -> tuple[type[ForgeError], str]:
    with pytest.raises(ForgeError) as caught:
        open_device(index, tmp_path)
    return type(caught.value), str(caught.value)


def test_fit_gpu_is_opened_with_a_compiler_for_it(cupy: FakeCupy, tmp_path: Path) -> None:
    device = open_device(0, tmp_path)
    assert device.info.name == "NVIDIA Test"
    assert device._compiler._architecture == "sm_90"


def test_missing_cupy_names_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    expected = "--backend cuda needs CuPy: pip install forge-server[cuda13], or [cuda12]"
    assert refusal(tmp_path) == (ConfigError, expected)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ImportError("libcudart is broken\nand more"), "cannot be used: libcudart is broken"),
        (ModuleNotFoundError("no", name="fastrlock"), "CuPy lacks a module: fastrlock"),
    ],
)
def test_broken_cupy_says_what_broke(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: ImportError, expected: str
) -> None:
    class Broken:
        def find_spec(self, name: str, *_: Any) -> None:
            if name == "cupy":
                raise error

    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    kind, message = refusal(tmp_path)
    assert kind is DeviceError
    assert message.endswith(expected)


def test_no_driver(cupy: FakeCupy, tmp_path: Path) -> None:
    cupy.cuda.runtime.driver_version = 0
    expected = "there is no NVIDIA driver on this machine, or it is not loaded"
    assert refusal(tmp_path) == (DeviceError, expected)


def test_driver_of_an_older_cuda(cupy: FakeCupy, tmp_path: Path) -> None:
    cupy.cuda.runtime.driver_version = 12080
    expected = (
        "the NVIDIA driver is too old: it supports CUDA 12.8, but CuPy was built for CUDA 13.0;"
        " update it, or install forge-server[cuda12]"
    )
    assert refusal(tmp_path) == (DeviceError, expected)


def test_driver_may_be_newer_or_of_an_older_minor_version(cupy: FakeCupy, tmp_path: Path) -> None:
    cupy.cuda.runtime.runtime_version = 13020
    for version in (13000, 14000):
        cupy.cuda.runtime.driver_version = version
        open_device(0, tmp_path)


def test_compiler_is_not_newer_than_the_driver(
    cupy: FakeCupy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[int]] = []

    def fail(name: str, majors: list[int]) -> None:
        asked.append(majors)
        raise DeviceError("libnvrtc is missing")

    monkeypatch.setattr(device_check, "open_library", fail)
    cupy.cuda.runtime.runtime_version = 12040
    for version in (12080, 13000):
        cupy.cuda.runtime.driver_version = version
        refusal(tmp_path)
    assert asked == [[12], [13, 12]]


@pytest.mark.parametrize(("count", "there"), [(0, "no GPU"), (2, "2 of them, from 0")])
def test_index_beyond_the_last_gpu(cupy: FakeCupy, tmp_path: Path, count: int, there: str) -> None:
    cupy.cuda.runtime.num_devices = count
    expected = f"--device 2 is no GPU that CUDA may see: there is {there}"
    assert refusal(tmp_path, 2) == (ConfigError, expected)


def test_cuda_that_cannot_count(cupy: FakeCupy, tmp_path: Path) -> None:
    cupy.cuda.runtime.count_status = INSUFFICIENT_DRIVER
    kind, message = refusal(tmp_path)
    assert (kind, message[:26]) == (DeviceError, "CUDA finds no GPU to use: ")


def test_gpu_that_is_too_old(cupy: FakeCupy, tmp_path: Path) -> None:
    cupy.cuda.runtime.properties |= {"name": b"Tesla T4", "major": 7, "minor": 5}
    expected = "Tesla T4 has compute capability 7.5, and the kernels need 8.0 or more"
    assert refusal(tmp_path) == (DeviceError, expected)


def test_full_gpu_says_how_full(
    cupy: FakeCupy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cupy.cuda.runtime.context_status = OUT_OF_MEMORY
    cupy.cuda.runtime.properties["totalGlobalMem"] = 8 << 30
    gpu = Gpu("NVIDIA Test", 8 << 30, 1 << 28)
    holders = [Holder(41, 7 << 30), Holder(42, None)]
    monkeypatch.setattr(device_check, "find_gpu", lambda *_: gpu)
    monkeypatch.setattr(device_check, "find_holders", lambda *_: holders)
    expected = (
        "NVIDIA Test is full: 0.2 GiB of 8.0 GiB are free;"
        " process 41 holds 7.0 GiB, process 42 computes on it"
    )
    assert refusal(tmp_path) == (DeviceError, expected)
    holders.clear()
    monkeypatch.setattr(device_check, "find_gpu", lambda *_: None)
    assert refusal(tmp_path)[1] == "NVIDIA Test is full: all of 8.0 GiB"


def test_gpu_that_another_process_has_for_itself(cupy: FakeCupy, tmp_path: Path) -> None:
    cupy.cuda.runtime.context_status = 46
    assert refusal(tmp_path) == (DeviceError, "another process has NVIDIA Test for itself")


def test_any_other_failure_carries_cudas_words(cupy: FakeCupy, tmp_path: Path) -> None:
    cupy.cuda.runtime.context_status = 999
    expected = "NVIDIA Test cannot be used: cudaError999: it failed"
    assert refusal(tmp_path) == (DeviceError, expected)
