"""How many threads a worker gets where a group, a mask or a setting says less than the machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from forge_common.config import DeviceSettings
from forge_common.errors import ConfigError
from forge_worker.cpu_cores import (
    allowed_cores,
    available_threads,
    core_quota,
    cores_text,
    parse_cores,
    restrict,
)

linux_only = pytest.mark.skipif(sys.platform != "linux", reason="no affinity elsewhere")


def group(root: Path, path: str, **files: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(text)


def quota(root: Path, groups: str) -> float | None:
    (root / "cgroup").write_text(groups)
    return core_quota(root / "cgroup", root)


def test_a_core_is_available() -> None:
    assert available_threads() >= 1


@pytest.mark.parametrize(
    ("text", "expected"), [("max 100000\n", None), ("150000 100000\n", 1.5), ("nonsense", None)]
)
def test_quota_of_a_group_is_read(tmp_path: Path, text: str, expected: float | None) -> None:
    group(tmp_path, "a/b", cpu_max=text)
    assert quota(tmp_path, "0::/a/b\n") == expected


def test_least_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    group(tmp_path, "a/b", cpu_max="400000 100000")
    group(tmp_path, "a", cpu_max="200000 100000")
    assert quota(tmp_path, "0::/a/b\n") == 2.0


def test_quota_of_the_older_groups_is_read(tmp_path: Path) -> None:
    group(tmp_path, "cpu,cpuacct/a", cpu_cfs_quota_us="300000\n", cpu_cfs_period_us="100000\n")
    assert quota(tmp_path, "4:memory:/x\n3:cpu,cpuacct:/a\n") == 3.0


def test_older_groups_say_minus_one_for_no_quota(tmp_path: Path) -> None:
    group(tmp_path, "cpu/a", cpu_cfs_quota_us="-1\n", cpu_cfs_period_us="100000\n")
    assert quota(tmp_path, "1:cpu:/a\n") is None


def test_machine_without_groups_has_no_quota(tmp_path: Path) -> None:
    assert core_quota(tmp_path / "absent", tmp_path) is None


@pytest.mark.parametrize(
    ("text", "cores"), [("3", {3}), ("0-3,8", {0, 1, 2, 3, 8}), ("5, 4", {4, 5})]
)
def test_cores_are_named_one_by_one_and_in_spans(text: str, cores: set[int]) -> None:
    assert parse_cores(text) == cores
    assert parse_cores(cores_text(cores)) == cores


@pytest.mark.parametrize("text", ["", "a", "1-", "-1", "3-1", "1;2", "99999999", "0x1"])
def test_what_is_no_list_of_cores_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--cpu-affinity"):
        parse_cores(text)


@linux_only
def test_core_that_is_not_there_is_refused() -> None:
    absent = str(max(allowed_cores()) + 1)
    with pytest.raises(ConfigError, match=f"may not use {absent}"):
        restrict(DeviceSettings(cpu_affinity=absent))


@linux_only
def test_process_keeps_to_its_cores() -> None:
    core = min(allowed_cores())
    code = (
        "from forge_common.config import DeviceSettings\n"
        "from forge_worker.cpu_cores import allowed_cores, available_threads, restrict\n"
        f"restrict(DeviceSettings(cpu_affinity='{core}'))\n"
        f"assert allowed_cores() == {{{core}}} and available_threads() == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
