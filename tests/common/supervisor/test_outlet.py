"""Whoever reads the log, or does not, holds nobody up."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from typing import NamedTuple, TextIO

import pytest

from forge_common.supervisor.outlet import Outlet


class Pipe(NamedTuple):
    reader: TextIO
    writer: TextIO


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    read_fd, write_fd = os.pipe()
    with os.fdopen(read_fd) as reader, os.fdopen(write_fd, "w") as writer:
        yield Pipe(reader, writer)


def told(num_lost: int) -> str:
    return f"{num_lost} lost\n"


def lines(number: int) -> list[str]:
    return [f"{index:05} {'x' * 90}\n" for index in range(number)]


def test_stream_without_a_descriptor_gets_all_at_once() -> None:
    stream = io.StringIO()
    Outlet(stream, told).write("hello\n" * 1000)
    assert stream.getvalue() == "hello\n" * 1000


def test_reader_that_stands_still_holds_nobody_up_and_gets_all_later(pipe: Pipe) -> None:
    outlet = Outlet(pipe.writer, told)
    for line in lines(2000):  # more than a pipe holds
        outlet.write(line)
    read = [pipe.reader.readline() for _ in range(500)]
    outlet.write("late\n")
    read += [pipe.reader.readline() for _ in range(100)]
    assert read == lines(600)


def test_what_is_too_much_to_keep_is_lost_from_the_oldest_on_and_counted(pipe: Pipe) -> None:
    outlet = Outlet(pipe.writer, told, max_waiting_chars=1000)
    for line in lines(2000):
        outlet.write(line)
    os.set_blocking(pipe.reader.fileno(), False)
    held = pipe.reader.buffer.read().decode().splitlines(keepends=True)
    assert held == lines(len(held))
    outlet.write("late\n")
    notice, *rest = pipe.reader.buffer.read().decode().splitlines(keepends=True)
    num_lost = 2000 - len(held) - (len(rest) - 1)
    assert notice == told(num_lost)
    assert len(rest) > 5
    assert rest == [*lines(2000)[1 - len(rest) :], "late\n"]


def test_long_line_comes_whole(pipe: Pipe) -> None:
    outlet = Outlet(pipe.writer, told)
    outlet.write("é" * 20_000 + "\n")
    assert pipe.reader.readline() == "é" * 20_000 + "\n"
