"""Starts real deployments of a tiny random model, and makes sure that none outlives its test."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forge_scheduler import speculation
from tests.integration.launched_forge import LaunchedForge
from tests.integration.small_model import write_small_model

Launch = Callable[..., LaunchedForge]


def start_forge(*argv: str, **variables: str) -> LaunchedForge:
    """`forge-launch` with these arguments, and environment variables of these names."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("FORGE_")}
    command = [sys.executable, "-m", "forge_common.supervisor.cli", "--port", "0", *argv]
    return LaunchedForge(command, {**inherited, **variables})


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("models") / "small"
    directory.mkdir()
    return write_small_model(directory)


@pytest.fixture
def launch(small_model: Path) -> Iterator[Launch]:
    started: list[LaunchedForge] = []

    def start(*argv: str, model: Path | None = small_model, **variables: str) -> LaunchedForge:
        path = [] if model is None else ["--model-path", str(model)]
        forge = start_forge(*path, *argv, **variables)
        started.append(forge)
        return forge

    yield start
    for forge in started:
        forge.destroy()


@pytest.fixture(scope="module")
def shared_forge(small_model: Path) -> Iterator[LaunchedForge]:
    """One deployment for all tests of a module that change nothing about it."""
    forge = start_forge("--model-path", str(small_model)).wait_until_ready()
    yield forge
    forge.destroy()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever can be guessed is drafted, right or wrong."""
    monkeypatch.setattr(speculation, "SEVERAL_TOKENS_COST", 1.0)
    monkeypatch.setattr(speculation, "TOKEN_COST", 0.0)
    monkeypatch.setattr(speculation, "MIN_GAIN", -99.0)
