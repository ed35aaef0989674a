"""One line format, to stderr, at the level asked for."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import pytest

from forge_common.log import LineFormatter, configure_logging


@pytest.fixture(autouse=True)
def root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.handlers.clear()  # pytest's own, which must not be closed
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


def test_line_has_time_level_and_role(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "worker")
    logging.getLogger("anything").info("loaded %d tensors", 3)
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(time + " info worker: loaded 3 tensors\n", capsys.readouterr().err)


def test_role_is_left_to_the_launcher(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", None)
    logging.getLogger("anything").warning("slow")
    assert capsys.readouterr().err.endswith("Z warning: slow\n")


def test_lower_levels_are_silent(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("warning", "worker")
    logging.getLogger("anything").info("loaded")
    assert capsys.readouterr().err == ""


def test_time_is_utc() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "hi", (), None)
    record.created = 0.0
    record.msecs = 0.0
    assert LineFormatter("api").format(record) == "1970-01-01 00:00:00.000Z info api: hi"
