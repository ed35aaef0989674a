"""The run directory is private, one launcher's at a time, and gone afterwards."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest

from forge_common.errors import ConfigError
from forge_common.supervisor.run_dir import CLIENT_SOCKET, remove_abandoned, run_directory


@pytest.fixture(autouse=True)
def _runtime_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def test_new_directory_is_private_and_removed(tmp_path: Path) -> None:
    with run_directory(None) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
        assert path.parent == tmp_path
        (path / CLIENT_SOCKET).touch()
    assert not path.exists()


def test_stated_directory_is_made_where_missing(tmp_path: Path) -> None:
    with run_directory(str(tmp_path / "run")) as path:
        assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert not path.exists()


def test_existing_directory_keeps_what_is_not_ours(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir(mode=0o700)
    (run / "mine").touch()
    with run_directory(str(run)) as path:
        (path / CLIENT_SOCKET).touch()
        (path / "metrics").mkdir()
    assert [entry.name for entry in run.iterdir()] == ["mine"]


def test_directory_serves_one_launcher_at_a_time(tmp_path: Path) -> None:
    run = str(tmp_path / "run")
    with run_directory(run), pytest.raises(ConfigError, match="another"), run_directory(run):
        pass


def test_open_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    with pytest.raises(ConfigError, match="mode 0700"), run_directory(str(tmp_path / "run")):
        pass


def test_path_too_long_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="107 bytes"), run_directory(str(tmp_path / ("x" * 100))):
        pass


def test_long_runtime_directory_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(long))
    with run_directory(None) as path:
        assert path.parent == Path("/tmp")  # noqa: S108


def abandon(path: Path, age_s: float) -> None:
    path.mkdir(mode=0o700)
    (path / CLIENT_SOCKET).touch()
    os.utime(path, (0, time.time() - age_s))


def test_what_a_killed_launcher_left_is_removed(tmp_path: Path) -> None:
    abandon(tmp_path / "forge-old", age_s=1000)
    remove_abandoned(tmp_path)
    assert not (tmp_path / "forge-old").exists()


def test_what_is_young_or_in_use_or_not_ours_stays(tmp_path: Path) -> None:
    abandon(tmp_path / "forge-young", age_s=1)
    abandon(tmp_path / "forge-other", age_s=1000)
    (tmp_path / "forge-other" / "notes.txt").touch()
    os.utime(tmp_path / "forge-other", (0, 0))
    with run_directory(None) as used:
        os.utime(used, (0, 0))
        remove_abandoned(tmp_path)
        assert used.exists()
    assert {path.name for path in tmp_path.iterdir()} == {"forge-young", "forge-other"}
