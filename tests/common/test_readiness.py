"""Reports go through a pipe whole, in order, bounded; and nowhere without one."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from forge_common.readiness import (
    MAX_LINE_BYTES,
    MAX_TEXT_CHARS,
    Failed,
    PeerLost,
    Progress,
    Readiness,
    Ready,
    ReportReader,
)


class Pipe:
    def __init__(self) -> None:
        self.read_fd, self.write_fd = os.pipe()

    def reports(self) -> list[object]:
        return list(ReportReader().feed(os.read(self.read_fd, 2**16)))


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    os.close(pipe.read_fd)
    os.close(pipe.write_fd)


def test_lost_peer_is_named_by_its_process(pipe: Pipe) -> None:
    Readiness(pipe.write_fd).peer_lost(4711)
    assert pipe.reports() == [PeerLost(4711)]


def test_reports_arrive_in_order(pipe: Pipe) -> None:
    readiness = Readiness.from_environment({"FORGE_READY_FD": str(pipe.write_fd)})
    readiness.progress(1, 2)
    readiness.ready("cpu")
    readiness.failed("gone")
    assert pipe.reports() == [Progress(1, 2), Ready("cpu"), Failed("gone")]


def test_without_a_launcher_reports_go_nowhere() -> None:
    readiness = Readiness.from_environment({})
    readiness.ready("cpu")
    assert not readiness.is_supervised


def test_launcher_that_is_gone_is_no_error() -> None:
    read_fd, write_fd = os.pipe()
    os.close(read_fd)
    readiness = Readiness(write_fd)
    readiness.ready()
    assert not readiness.is_supervised
    os.close(write_fd)


def test_long_text_is_cut(pipe: Pipe) -> None:
    Readiness(pipe.write_fd).failed("x" * 10_000)
    assert pipe.reports() == [Failed("x" * MAX_TEXT_CHARS)]


def test_report_may_come_in_pieces() -> None:
    reader = ReportReader()
    line = b'{"type":"Ready","detail":"cpu"}\n'
    found = [report for byte in line for report in reader.feed(bytes([byte]))]
    assert found == [Ready("cpu")]


@pytest.mark.parametrize("line", [b"", b"hello", b"{}", b'{"type":"Quit"}', b"\xff", b"[" * 5000])
def test_what_is_no_report_is_dropped(line: bytes) -> None:
    assert list(ReportReader().feed(line + b'\n{"type":"Ready"}\n')) == [Ready()]


def test_endless_line_is_forgotten() -> None:
    reader = ReportReader()
    assert list(reader.feed(b"x" * (MAX_LINE_BYTES + 1))) == []
    assert list(reader.feed(b'{"type":"Ready"}\n')) == [Ready()]
