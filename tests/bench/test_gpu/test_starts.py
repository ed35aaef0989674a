"""Starts are told apart by what they found in the cache."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from forge_common.config import WorkerConfig
from forge_worker.loaded_model import LoadedModel
from forge_worker.weights.loader import OnProgress
from tests.bench.gpu.starting import start
from tests.bench.gpu.starts import CACHE_HOME, measure_starts

# Takes longer where its cache is empty, as the worker does.
CACHING = """
import os, pathlib, time
kept = pathlib.Path(os.environ["XDG_CACHE_HOME"]) / "kept"
if not kept.exists():
    time.sleep(0.3)
    kept.touch()
print('{"weights_s": 0.001, "weights_bytes": 5000000}')
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, CACHE_HOME: str(tmp_path)}


def test_only_the_first_start_finds_nothing(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", CACHING]
    cold, warm, weights = measure_starts("1B", command, environment)
    assert cold.value > 0.3
    assert warm.value < cold.value - 0.2
    assert weights.value == pytest.approx(5.0)


def test_no_start_is_cold_where_something_is_cached(
    environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "kept").touch()
    with pytest.raises(RuntimeError, match="no start would be cold"):
        list(measure_starts("1B", [sys.executable, "-c", CACHING], environment))


def test_a_start_that_fails_is_an_error(environment: dict[str, str]) -> None:
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(RuntimeError, match="ended with 3"):
        list(measure_starts("1B", command, environment))


def test_reading_is_timed_from_the_first_weight_on(tmp_path: Path) -> None:
    def load(config: WorkerConfig, path: Path, on_progress: OnProgress) -> LoadedModel:
        assert config.device.backend == "cuda"
        assert path == tmp_path
        for done in (100, 300, 400):
            on_progress(done, 400)
        return None

    started = start(tmp_path, load)
    assert started.weights_bytes == 300
    assert 0 < started.weights_s < 1
