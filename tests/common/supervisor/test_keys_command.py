"""`forge-launch keys`: makes, tells, and refuses in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.supervisor.cli import main
from forge_common.supervisor.keys_command import WHERE_TO


def exit_code(*argv: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main(["keys", *argv])
    return caught.value.code


def test_keys_are_made_and_every_named_file_exists(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = tmp_path / "keys"
    assert exit_code(str(keys)) == 0
    assert capsys.readouterr().out.strip() == WHERE_TO.format(directory=keys)
    named = {word for word in WHERE_TO.split() if word.endswith(("/", ".key"))}
    assert named == {"server.key", "clients/", "worker/"}
    assert all((keys / name).exists() for name in named)


def test_second_time_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(str(tmp_path)) == 2
    assert capsys.readouterr().err == (
        f"forge-launch: error: {tmp_path} exists already: keys are never overwritten\n"
    )


def test_directory_must_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code() == 2
    assert "DIRECTORY" in capsys.readouterr().err


def test_help_is_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    assert capsys.readouterr().out.startswith("Usage: forge-launch keys [OPTIONS] DIRECTORY")
