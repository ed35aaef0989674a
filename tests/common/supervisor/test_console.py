"""Every line behind its role's name; on a terminal, one line that updates stays the last."""

from __future__ import annotations

import errno
import io
import logging
import re

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
