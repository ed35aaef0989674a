"""Available memory is the least of what the host has free and what each cgroup still allows."""

from __future__ import annotations

from pathlib import Path

from forge_common.host_memory import available_memory_bytes


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_host_alone(tmp_path: Path) -> None:
    write(tmp_path, {"proc/meminfo": "MemTotal: 900 kB\nMemAvailable: 500 kB\n"})
    assert available_memory_bytes(tmp_path) == 500 * 1024


def test_unified_cgroup_limits_and_its_page_cache_counts_as_free(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/forge.service"
    write(
        tmp_path,
        {"proc/meminfo": "MemAvailable: 500 kB\n", "proc/self/cgroup": "0::/forge.service\n"},
    )
    write(tmp_path, {f"{group}/memory.max": "1000\n", f"{group}/memory.current": "800\n"})
    write(tmp_path, {f"{group}/memory.stat": "anon 100\ninactive_file 300\n"})
    assert available_memory_bytes(tmp_path) == 500


def test_cgroup_above_limits_too(tmp_path: Path) -> None:
    top = "sys/fs/cgroup"
    write(tmp_path, {"proc/meminfo": "MemAvailable: 500 kB\n", "proc/self/cgroup": "0::/a/b\n"})
    write(tmp_path, {f"{top}/a/memory.max": "900\n", f"{top}/a/memory.current": "200\n"})
    write(tmp_path, {f"{top}/a/b/memory.max": "max\n", f"{top}/a/b/memory.current": "200\n"})
    assert available_memory_bytes(tmp_path) == 700


def test_legacy_cgroup(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory/x"
    write(tmp_path, {"proc/meminfo": "MemAvailable: 500 kB\n"})
    write(tmp_path, {"proc/self/cgroup": "5:cpu:/x\n4:memory:/x\n0::/\n"})
    write(
        tmp_path, {f"{group}/memory.limit_in_bytes": "900", f"{group}/memory.usage_in_bytes": "500"}
    )
    assert available_memory_bytes(tmp_path) == 400


def test_use_above_the_limit_means_nothing_is_left(tmp_path: Path) -> None:
    top = "sys/fs/cgroup"
    write(tmp_path, {"proc/meminfo": "MemAvailable: 500 kB\n", "proc/self/cgroup": "0::/\n"})
    write(tmp_path, {f"{top}/memory.max": "100\n", f"{top}/memory.current": "200\n"})
    assert available_memory_bytes(tmp_path) == 0


def test_this_host_has_some() -> None:
    assert available_memory_bytes() > 0
