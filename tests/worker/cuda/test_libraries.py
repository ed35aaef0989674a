"""Libraries are found where wheels and toolkits put them; a missing one says where one looked."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.errors import DeviceError
from forge_worker.cuda import libraries
from forge_worker.cuda.libraries import majors_for, open_library, places


def touch(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return str(path)


def test_wheels_of_both_versions_of_cuda_are_seen(tmp_path: Path) -> None:
    nvidia = tmp_path / "nvidia"
    newer = touch(nvidia / "cu13" / "lib" / "libnvrtc.so.13")
    older = touch(nvidia / "cuda_nvrtc" / "lib" / "libnvrtc.so.12")
    products = touch(nvidia / "cublas" / "lib" / "libcublasLt.so.12")
    found = [
        next(places("nvrtc", 13, {}, [str(tmp_path)])),
        next(places("nvrtc", 12, {}, [str(tmp_path)])),
        next(places("cublasLt", 12, {}, [str(tmp_path)])),
    ]
    assert found == [newer, older, products]


def test_wheel_goes_before_toolkit_and_toolkit_before_the_system(tmp_path: Path) -> None:
    wheel = touch(tmp_path / "nvidia" / "cu13" / "lib" / "libnvrtc.so.13")
    found = list(places("nvrtc", 13, {"CUDA_PATH": "/mine"}, ["/nowhere", str(tmp_path)]))
    assert found[:2] == [wheel, "/mine/lib64/libnvrtc.so.13"]
    assert "/usr/local/cuda/lib64/libnvrtc.so.13" in found
    assert found[-1] == "libnvrtc.so.13"


def test_library_that_is_nowhere_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libraries, "places", lambda name, major, *_: [f"/x/lib{name}.so.{major}"])
    expected = (
        r"libcublasLt is missing: install forge-server\[cuda13\] or a CUDA toolkit"
        r" \(looked for /x/libcublasLt\.so\.13, /x/libcublasLt\.so\.12\)"
    )
    with pytest.raises(DeviceError, match=expected):
        open_library("cublasLt")


def test_damaged_library_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    damaged = touch(tmp_path / "libnvrtc.so.13")
    monkeypatch.setattr(libraries, "places", lambda *_: [damaged, "libc.so.6"])
    assert open_library("nvrtc", [13])._name == "libc.so.6"


@pytest.mark.parametrize(("driver", "majors"), [(13000, [13, 12]), (12040, [12]), (11080, [])])
def test_libraries_are_no_newer_than_the_driver(driver: int, majors: list[int]) -> None:
    assert majors_for(driver) == majors
