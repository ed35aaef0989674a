"""Compiled kernels come back as they were kept, or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from forge_worker.cuda.cubin_cache import CubinCache, cache_key, default_folder
from forge_worker.cuda.nvrtc import Compilation, KernelUsage, NvrtcVersion
from forge_worker.cuda.program import Header, Program

VERSION = NvrtcVersion(13, 0)
PROGRAM = Program("norm.cu", "text", (Header("a.cuh", "its"),), ("--std=c++17", "-DA=1"))
KEPT = Compilation(b"\x7fELF" * 100, (KernelUsage("norm", 32, 128, 0, 0, 0),))


def folder_of(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there"


def entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def test_what_was_stored_is_loaded_by_another_worker(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    CubinCache(folder).store("key", KEPT)
    assert CubinCache(folder).load("key") == KEPT
    assert CubinCache(folder).load("other") is None


def test_folder_and_entries_are_the_owners_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    CubinCache(folder).store("key", KEPT)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(entries(folder)[0].stat().st_mode) == 0o600


def test_folder_that_others_may_write_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    CubinCache(tmp_path)
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("place", [0, 20, 60, -1])
def test_damaged_entry_counts_as_absent(tmp_path: Path, place: int) -> None:
    cache = CubinCache(tmp_path)
    cache.store("key", KEPT)
    content = bytearray(entries(tmp_path)[0].read_bytes())
    content[place] ^= 1
    entries(tmp_path)[0].write_bytes(content)
    assert cache.load("key") is None


@pytest.mark.parametrize("kept_bytes", [0, 10, 46, 200])
def test_truncated_entry_counts_as_absent(tmp_path: Path, kept_bytes: int) -> None:
    cache = CubinCache(tmp_path)
    cache.store("key", KEPT)
    os.truncate(entries(tmp_path)[0], kept_bytes)
    assert cache.load("key") is None


def test_entry_that_others_may_have_written_counts_as_absent(tmp_path: Path) -> None:
    cache = CubinCache(tmp_path)
    cache.store("key", KEPT)
    entries(tmp_path)[0].chmod(0o622)
    assert cache.load("key") is None


def test_link_to_an_entry_elsewhere_counts_as_absent(tmp_path: Path) -> None:
    cache, other = CubinCache(tmp_path / "a"), CubinCache(tmp_path / "b")
    other.store("key", KEPT)
    (tmp_path / "a" / "key.cubin").symlink_to(tmp_path / "b" / "key.cubin")
    assert cache.load("key") is None


def test_entries_unused_for_longest_make_room(tmp_path: Path) -> None:
    CubinCache(tmp_path).store("measure", KEPT)
    entry_bytes = entries(tmp_path)[0].stat().st_size
    cache = CubinCache(tmp_path, max_bytes=3 * entry_bytes)
    for age, key in enumerate(("measure", "a", "b")):
        cache.store(key, KEPT)
        os.utime(tmp_path / f"{key}.cubin", (age, age))
    assert cache.load("measure")
    cache.store("c", KEPT)
    assert [path.stem for path in entries(tmp_path)] == ["b", "c", "measure"]


def test_folder_that_cannot_be_made_only_costs_time(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    cache = CubinCache(tmp_path / "file" / "below")
    cache.store("key", KEPT)
    assert cache.load("key") is None
    assert "compiled at every start" in caplog.text


def test_full_disk_only_costs_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise OSError("no space left on device")

    cache = CubinCache(tmp_path)
    monkeypatch.setattr(os, "replace", fail)
    cache.store("key", KEPT)
    assert "no space left" in caplog.text
    assert entries(tmp_path) == []


def test_everything_that_makes_other_code_makes_another_key() -> None:
    programs = [
        PROGRAM,
        PROGRAM._replace(text="texts"),
        PROGRAM._replace(headers=(Header("a.cuh", "other"),)),
        PROGRAM._replace(options=("--std=c++17", "-DA=2")),
        PROGRAM._replace(text="tex", headers=(Header("ta.cuh", "its"),)),
    ]
    keys = {cache_key(program, VERSION) for program in programs}
    keys.add(cache_key(PROGRAM, NvrtcVersion(13, 1)))
    assert len(keys) == len(programs) + 1
    assert cache_key(PROGRAM, VERSION) == cache_key(Program(*PROGRAM), VERSION)


def test_default_folder_follows_xdg() -> None:
    assert default_folder({"XDG_CACHE_HOME": "/x"}) == Path("/x/forge/cubins")
    for environment in ({}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}):
        assert default_folder(environment) == Path.home() / ".cache/forge/cubins"
