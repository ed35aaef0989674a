"""The process's start: what it needs, and what it shares."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from forge_api.__main__ import MULTIPROCESS_VARIABLE, share_metrics
from forge_api.role import run
from forge_common.config import ApiConfig, HttpSettings, LaunchSettings
from forge_common.errors import ConfigError
from forge_common.readiness import Readiness


def config_with(run_dir: Path | None, api_workers: int) -> ApiConfig:
    return ApiConfig(
        http=HttpSettings(api_workers=api_workers),
        launch=LaunchSettings(run_dir=None if run_dir is None else str(run_dir)),
    )


def test_several_processes_count_into_one_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    monkeypatch.setattr("prometheus_client.values.ValueClass", None)
    share_metrics(config_with(tmp_path, api_workers=2))
    assert Path(environment[MULTIPROCESS_VARIABLE]).is_dir()


@pytest.mark.parametrize("api_workers", [1, 2])
def test_one_process_or_no_run_directory_shares_nothing(
    api_workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    share_metrics(config_with(tmp_path if api_workers == 1 else None, api_workers))
    assert environment == {}


def test_a_directory_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.environ", {})
    with pytest.raises(ConfigError, match="cannot make"):
        share_metrics(config_with(tmp_path / "absent", api_workers=2))


def test_without_a_scheduler_to_meet_it_does_not_start() -> None:
    with pytest.raises(ConfigError, match="--client-endpoint"):
        asyncio.run(run(ApiConfig(), Readiness(None)))
