from __future__ import annotations

import stat
from pathlib import Path

import pytest

from forge_worker.cpu.native.kernel_cache import (
    MAX_FINGERPRINTS,
    KernelCache,
    ObjectFile,
    default_folder,
    fingerprint,
)

COMPILED = ObjectFile("symbol", b"machine code")


def test_what_was_stored_is_found_by_the_next_start(tmp_path: Path) -> None:
    KernelCache(tmp_path, "a").store("gemm", COMPILED)
    assert KernelCache(tmp_path, "a").load("gemm") == COMPILED
    assert KernelCache(tmp_path, "a").load("other") is None
    assert KernelCache(tmp_path, "b").load("gemm") is None


def test_damaged_code_counts_as_absent(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path, "a")
    cache.store("gemm", COMPILED)
    path = tmp_path / "a" / "gemm.bin"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    assert cache.load("gemm") is None


def test_code_that_others_may_have_written_counts_as_absent(tmp_path: Path) -> None:
    cache = KernelCache(tmp_path, "a")
    cache.store("gemm", COMPILED)
    (tmp_path / "a" / "gemm.bin").chmod(0o666)
    assert cache.load("gemm") is None


def test_the_folder_is_its_owners_alone(tmp_path: Path) -> None:
    KernelCache(tmp_path, "a")
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o700


def test_a_folder_that_cannot_be_written_costs_only_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    cache = KernelCache(blocked, "a")
    cache.store("gemm", COMPILED)
    assert cache.load("gemm") is None
    assert "compiled at every start" in caplog.text


def test_old_versions_are_forgotten(tmp_path: Path) -> None:
    for version in range(MAX_FINGERPRINTS + 3):
        KernelCache(tmp_path, f"{version}").store("gemm", COMPILED)
    assert len(list(tmp_path.iterdir())) == MAX_FINGERPRINTS
    assert KernelCache(tmp_path, f"{MAX_FINGERPRINTS + 2}").load("gemm") == COMPILED


def test_the_place_follows_the_environment() -> None:
    assert default_folder({"NUMBA_CACHE_DIR": "/a"}) == Path("/a/forge")
    assert default_folder({"XDG_CACHE_HOME": "/b"}) == Path("/b/forge/kernels")
    assert default_folder({}) == Path.home() / ".cache/forge/kernels"


def test_the_fingerprint_is_the_same_for_the_same_sources() -> None:
    assert fingerprint() == fingerprint()
