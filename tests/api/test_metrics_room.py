"""What is shared of metrics has its room on the disk before it is counted, or is not shared."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from forge_api.__main__ import MULTIPROCESS_VARIABLE, share_metrics
from forge_api.metrics_room import FILE_BYTES, reserve
from tests.api.test_main import config_with
from tests.api.test_scrape import COUNT

BLOCK_BYTES = 512  # what st_blocks counts


@pytest.fixture
def full_disk() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_BYTES // 2, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_room_is_taken_and_not_only_promised(tmp_path: Path) -> None:
    reserve(tmp_path, 7)
    for path in tmp_path.iterdir():
        assert path.stat().st_blocks * BLOCK_BYTES >= FILE_BYTES


def test_what_an_earlier_process_of_the_same_number_counted_stays(tmp_path: Path) -> None:
    (tmp_path / "counter_7.db").write_bytes(b"counted")
    reserve(tmp_path, 7)
    assert (tmp_path / "counter_7.db").read_bytes().startswith(b"counted\0")


def test_every_file_that_is_counted_into_had_room(tmp_path: Path) -> None:
    program = (
        "import os, pathlib; from forge_api.metrics_room import reserve\n"
        f"reserve(pathlib.Path({str(tmp_path)!r}), os.getpid())\n"
        f"before = {{path.name for path in pathlib.Path({str(tmp_path)!r}).iterdir()}}\n"
        + COUNT.format(directory=str(tmp_path))
        + f"assert {{path.name for path in pathlib.Path({str(tmp_path)!r}).iterdir()}} == before\n"
    )
    environment = os.environ | {MULTIPROCESS_VARIABLE: str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert b"forge_time_to_first_token_seconds_count 1.0" in done.stdout


@pytest.mark.usefixtures("full_disk")
def test_without_room_no_counts_are_left_and_nothing_is_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    share_metrics(config_with(tmp_path, api_workers=2))
    assert environment == {}
    assert not list((tmp_path / "metrics").glob("*.db"))
    assert "metrics of this process are not shared" in caplog.text
