"""Settings come to a backend, or to one sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from forge_common.config import CacheSettings, DeviceSettings, ModelSettings, WorkerConfig
from forge_common.errors import ConfigError
from forge_worker.model_runner import ModelRunner
from forge_worker.start import load

GOLDEN_MODEL = Path(__file__).parent.parent / "golden" / "models" / "llama2"


def test_cuda_without_cupy_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    config = WorkerConfig(device=DeviceSettings(backend="cuda"))
    with pytest.raises(ConfigError, match="--backend cuda needs CuPy: pip install forge-server"):
        load(config, lambda done, total: None)


def test_cpu_has_the_runner_of_the_host() -> None:
    config = WorkerConfig(
        model=ModelSettings(model_path=str(GOLDEN_MODEL)),
        device=DeviceSettings(backend="cpu"),
        cache=CacheSettings(num_blocks=8),
    )
    loaded = load(config, lambda done, total: None)
    assert isinstance(loaded.runner, ModelRunner)
    assert loaded.limits.num_blocks == 8
