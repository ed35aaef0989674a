"""GPUs are found as CUDA will number them, by real calls into a library in the place of NVML."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from forge_common.nvidia_gpus import VISIBLE_DEVICES, Gpu, Holder, find_gpu, find_holders

SOURCE = Path(__file__).with_name("fake_nvml.c")
FIRST, SECOND = Gpu("Card 0", 80, 70), Gpu("Card 1", 80, 10)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    built = tmp_path_factory.mktemp("nvml") / "libfake.so"
    subprocess.run(["g++", "-x", "c", "-shared", "-fPIC", SOURCE, "-o", built], check=True)
    return str(built)


def test_indices_count_all_gpus_where_nothing_is_said(library: str) -> None:
    assert [find_gpu(index, {}, library) for index in range(3)] == [FIRST, SECOND, None]


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        ("1", [SECOND, None]),
        ("1,0", [SECOND, FIRST]),
        ("GPU-one", [SECOND, None]),
        ("", [None]),
        ("-1,0", [None]),
        ("0,junk,1", [FIRST, None]),
    ],
)
def test_visible_devices_are_heeded(library: str, visible: str, expected: list[Gpu | None]) -> None:
    environment = {VISIBLE_DEVICES: visible}
    found = [find_gpu(index, environment, library) for index in range(len(expected))]
    assert found == expected


def test_a_gpu_the_driver_does_not_know_is_none(library: str) -> None:
    assert find_gpu(0, {VISIBLE_DEVICES: "7"}, library) is None


def test_no_driver_means_no_gpu() -> None:
    assert find_gpu(0, {}, "libthere-is-no-such-library.so") is None


def test_holders_are_named_the_largest_first(library: str) -> None:
    assert find_holders(1, {}, library) == [Holder(43, 50), Holder(41, 20), Holder(42, None)]
    assert find_holders(0, {VISIBLE_DEVICES: "GPU-one"}, library)[0] == Holder(43, 50)


@pytest.mark.parametrize("index", [0, 2])
def test_gpu_that_nobody_holds_or_that_is_not_there(library: str, index: int) -> None:
    assert find_holders(index, {}, library) == []


def test_without_the_library_nobody_is_known_to_hold_anything() -> None:
    assert find_holders(0, {}, "libthere-is-no-such-library.so") == []
    assert find_holders(0, {}, "libc.so.6") == []
