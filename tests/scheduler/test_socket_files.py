"""What was removed is bound anew, and what cannot be is told once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zmq

from forge_common.transport import ServerChannel
from forge_scheduler.socket_files import SocketFiles


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[ServerChannel[Any]]:
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o700)
    with (
        zmq.Context() as context,
        closing(ServerChannel[Any](context, f"ipc://{run_dir}/s", msgspec.Struct)) as channel,
    ):
        yield channel


def test_files_that_are_there_are_left_alone(
    channel: ServerChannel[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = (tmp_path / "run" / "s").stat().st_ino
    SocketFiles([channel]).mend()
    assert (tmp_path / "run" / "s").stat().st_ino == before
    assert caplog.text == ""


def test_removed_file_is_made_anew(
    channel: ServerChannel[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "run" / "s").unlink()
    SocketFiles([channel]).mend()
    assert channel.can_be_found
    assert "was removed: it is bound again" in caplog.text


def test_failure_is_told_once_and_tried_until_it_succeeds(
    channel: ServerChannel[Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = SocketFiles([channel])
    (tmp_path / "run").rename(tmp_path / "elsewhere")
    for _ in range(3):
        files.mend()
    assert caplog.text.count("nobody new can connect") == 1
    (tmp_path / "run").mkdir(mode=0o700)
    files.mend()
    assert channel.can_be_found
