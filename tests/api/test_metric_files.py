"""Processes that count together, and those that take the place of one that was killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forge_api.metric_files import forget_dead, take_place

# Counts one of each, says where, and waits to be killed.
COUNTING = """
import sys
from pathlib import Path
from forge_api.__main__ import share_metrics
from forge_common.config import ApiConfig, HttpSettings, LaunchSettings
share_metrics(ApiConfig(
    http=HttpSettings(api_workers=2), launch=LaunchSettings(run_dir=sys.argv[1])))
from prometheus_client import Counter, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client import CollectorRegistry
Counter("seen", "Seen").inc()
Gauge("open", "Open", multiprocess_mode="livesum").inc()
registry = CollectorRegistry()
MultiProcessCollector(registry)
text = generate_latest(registry).decode()
print(sorted(line for line in text.splitlines() if line[0] != "#"), flush=True)
sys.stdin.read()
"""


@contextmanager
def counting(run_dir: Path) -> Iterator[str]:
    """What a new process sees of all; it is killed at the end."""
    command = [sys.executable, "-c", COUNTING, str(run_dir)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()


def test_killed_processes_leave_their_counts_and_no_more_files(tmp_path: Path) -> None:
    with counting(tmp_path) as first:
        assert first == "['open 1.0', 'seen_total 1.0']"
        with counting(tmp_path) as second:
            assert second == "['open 2.0', 'seen_total 2.0']"
        files = sorted(path.name for path in (tmp_path / "metrics").iterdir())
        for number in range(3, 5):
            with counting(tmp_path) as next_one:
                assert next_one == f"['open 2.0', 'seen_total {number}.0']"
    assert sorted(path.name for path in (tmp_path / "metrics").iterdir()) == files


def test_processes_at_the_same_time_have_places_of_their_own(tmp_path: Path) -> None:
    assert [take_place(tmp_path) for _ in range(3)] == [0, 1, 2]


def test_gauges_of_a_place_that_nobody_has_are_forgotten(tmp_path: Path) -> None:
    place = take_place(tmp_path)
    held, dead = tmp_path / f"gauge_livesum_{place}.db", tmp_path / "gauge_livesum_7.db"
    counted = tmp_path / "counter_7.db"
    for path in (held, dead, counted):
        path.touch()
    forget_dead(tmp_path)
    assert held.exists()
    assert counted.exists()
    assert not dead.exists()
