"""One line format, to stderr, at the level asked for."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Iterator

import pytest

from forge_common.log import (
    MAX_JSON_BYTES,
    JsonFormatter,
    LineFormatter,
    configure_logging,
    fields_of,
    tell_error,
)


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


def test_json_line_has_time_level_role_and_message(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "worker", "json")
    logging.getLogger("anything").info("loaded %d\ntensors", 3)
    line = json.loads(capsys.readouterr().err)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {"level": "info", "role": "worker", "message": "loaded 3\ntensors"}


def test_fields_of_a_record_are_keys_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", None, "json")
    logging.getLogger("anything").info("hi", extra=fields_of(status=200, trace_id=None))
    line = json.loads(capsys.readouterr().err)
    assert (line["status"], "trace_id" in line, "role" in line) == (200, False, False)


def test_fields_change_nothing_in_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "api")
    logging.getLogger("anything").info("hi", extra=fields_of(status=200))
    assert capsys.readouterr().err.endswith("Z info api: hi\n")


def raised(text: str) -> logging.LogRecord:
    try:
        raise ValueError(text)
    except ValueError:
        return logging.LogRecord("x", logging.ERROR, "", 0, "it failed", (), sys.exc_info())


def test_exception_stands_inside_its_line() -> None:
    line = JsonFormatter("api").format(raised("odd"))
    assert "\n" not in line
    assert json.loads(line)["exception"].endswith("ValueError: odd")


@pytest.mark.parametrize("text", ["x" * 50_000, "\x1b" * 9_000, "\N{GRINNING FACE}" * 9_000])
def test_long_texts_lose_their_middle(text: str) -> None:
    line = JsonFormatter("api").format(raised(text + "the end"))
    assert len(line.encode()) < MAX_JSON_BYTES
    fields = json.loads(line)
    assert fields["message"] == "it failed"
    assert fields["exception"].startswith("Traceback")
    assert fields["exception"].endswith("the end")


def test_last_words_are_a_line_as_all_others(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "api", "json")
    tell_error("forge-api", "no room")
    assert json.loads(capsys.readouterr().err)["message"] == "no room"
    configure_logging("info", "api")
    tell_error("forge-api", "no room")
    assert capsys.readouterr().err == "forge-api: error: no room\n"


def test_no_field_of_a_client_makes_a_line_too_long_or_unreadable() -> None:
    record = logging.LogRecord("x", logging.INFO, "", 0, "GET", (), None)
    record.forge_fields = {"path": "/" + "\udcff\x00" * 9_000}
    line = JsonFormatter("api").format(record)
    assert len(line.encode()) < MAX_JSON_BYTES
    assert json.loads(line)["path"].startswith("/?")
