"""Every line behind its role's name; on a terminal, one line that updates stays the last."""

from __future__ import annotations

import errno
import io
import json
import logging
import re
from typing import Any

import pytest

from forge_common.supervisor.console import CLEAR_LINE, Console, ConsoleHandler


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_names_are_aligned() -> None:
    stream = io.StringIO()
    console = Console(stream, ["api", "scheduler"])
    console.line("api", "hello")
    console.line("scheduler", "hello")
    assert stream.getvalue() == "api       | hello\nscheduler | hello\n"


def test_without_a_terminal_updates_are_lines() -> None:
    stream = io.StringIO()
    console = Console(stream, ["w"])
    console.update("w", "45 %")
    console.finish_update("w", "done")
    assert stream.getvalue() == "w | 45 %\nw | done\n"


def test_terminal_overwrites_the_updating_line() -> None:
    stream = Terminal()
    console = Console(stream, ["w"])
    console.update("w", "45 %")
    console.update("w", "46 %")
    assert stream.getvalue() == f"{CLEAR_LINE}w | 45 %{CLEAR_LINE}w | 46 %"


def test_other_lines_go_above_the_updating_one() -> None:
    stream = Terminal()
    console = Console(stream, ["w"])
    console.update("w", "45 %")
    console.line("w", "hello")
    assert stream.getvalue().endswith(f"{CLEAR_LINE}w | hello\nw | 45 %")


def test_finished_update_stays() -> None:
    stream = Terminal()
    console = Console(stream, ["w"])
    console.update("w", "45 %")
    console.finish_update("w", "done")
    console.line("w", "hello")
    assert stream.getvalue().endswith(f"{CLEAR_LINE}w | done\n{CLEAR_LINE}w | hello\n")


def test_log_that_nobody_reads_is_no_error() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    Console(Broken(), ["w"]).line("w", "hello")


def test_own_log_looks_like_everyones() -> None:
    stream = io.StringIO()
    handler = ConsoleHandler(Console(stream, ["launch"]), "launch")
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "a\nb", (), None))
    assert re.fullmatch(r"launch \| \S+ \S+Z info: a\nlaunch \| b\n", stream.getvalue())


class Gone(Terminal):
    def write(self, text: str) -> int:
        raise OSError(errno.EIO, "the terminal is closed")


def test_a_terminal_that_is_gone_stops_nothing() -> None:
    Console(Gone(), ["w"]).line("w", "hello")


def json_lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_line_of_a_child_gets_its_role_and_is_nested_nowhere() -> None:
    stream = io.StringIO()
    line = '{"time":"t","level":"info","message":"hi","status":200}'
    Console(stream, ["api-0"], "json").line("api-0", line)
    assert stream.getvalue() == (
        '{"time":"t","level":"info","role":"api-0","message":"hi","status":200}\n'
    )


@pytest.mark.parametrize("text", ["Fatal Python error", '{"half": ', '{"a": 1}', "[1]", "3"])
def test_other_words_of_a_child_become_the_message_of_a_line(text: str) -> None:
    stream = io.StringIO()
    Console(stream, ["worker"], "json").line("worker", text)
    (line,) = json_lines(stream)
    assert (line["role"], line["level"]) == ("worker", "info")
    assert "time" in line
    assert line["message"] == text


def test_launchers_own_records_are_lines_with_their_fields() -> None:
    stream = io.StringIO()
    handler = ConsoleHandler(Console(stream, ["launch"], "json"), "launch")
    handler.emit(logging.LogRecord("x", logging.WARNING, "", 0, "two\nlines", (), None))
    (line,) = json_lines(stream)
    assert (line["role"], line["message"]) == ("launch", "two\nlines")


def test_progress_in_json_is_lines_also_on_a_terminal() -> None:
    stream = Terminal()
    console = Console(stream, ["w"], "json")
    assert not console.is_terminal
    console.update("w", "half")
    console.finish_update("w", "done")
    assert [line["message"] for line in json_lines(stream)] == ["half", "done"]
