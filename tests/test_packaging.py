"""What gets installed: few dependencies, locked by hash, above the versions with known holes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from setuptools import Distribution

ROOT = Path(__file__).parent.parent
LOCKS = [ROOT / "deploy" / f"requirements{extra}.txt" for extra in ("", "-dev", "-cuda13")]
FLOORS = {
    "aiohttp": (3, 14, 5),  # CVE-2026-128131, quadratic gzip
    "jinja2": (3, 1, 6),  # CVE-2025-27516, sandbox escape
}
MAX_DEPENDENCIES = 12


def locked_versions(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)==([\w.]+)", lock.read_text(), re.MULTILINE))


def declared() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [re.split(r"[<>=!~ ]", line)[0] for line in project["dependencies"]]


def test_few_dependencies_are_declared() -> None:
    assert len(declared()) <= MAX_DEPENDENCIES


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_every_dependency_is_locked(lock: Path) -> None:
    assert set(declared()) <= set(locked_versions(lock))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locked_versions_are_above_known_holes(lock: Path) -> None:
    for name, floor in FLOORS.items():
        version = tuple(int(part) for part in locked_versions(lock)[name].split("."))
        assert version >= floor


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_locks_have_a_hash_for_everything_and_no_address(lock: Path) -> None:
    text = lock.read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text
    assert "index-url" not in text


def test_locks_agree() -> None:
    runtime, *others = map(locked_versions, LOCKS)
    for other in others:
        assert runtime.items() <= other.items()


def test_the_files_of_the_page_are_packaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    distribution = Distribution({"script_name": "setup.py"})
    distribution.parse_config_files()
    command = distribution.get_command_obj("build_py")
    command.ensure_finalized()
    packaged = {Path(path).name for path in command.get_outputs(include_bytecode=False)}
    assert {path.name for path in (ROOT / "forge_api" / "web").iterdir()} <= packaged
