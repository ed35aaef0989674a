"""load: a model in memory, on the backend that the settings come to. Knows no process."""

from __future__ import annotations

from forge_common.backend import choose_backend
from forge_common.config import WorkerConfig
from forge_common.demo_model import model_location
from forge_worker.cpu.start import load_on_host
from forge_worker.loaded_model import LoadedModel
from forge_worker.weights.loader import OnProgress


def load(config: WorkerConfig, on_progress: OnProgress) -> LoadedModel:
    """ModelError, ConfigError or DeviceError, one sentence each."""
    path = model_location(config.model.model_path)
    if choose_backend(config.device).name == "cuda":
        # What this imports is there only where there are GPUs.
        from forge_worker.cuda.start import load_on_gpu

        return load_on_gpu(config, path, on_progress)
    return load_on_host(config, path, on_progress)
