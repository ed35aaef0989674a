"""A worker process whose GPU is emulated: `python -m tests.integration.emulated_worker FLAGS`.

All of `python -m forge_worker --backend cuda` but the card. Knows nothing of what is served.
"""

from __future__ import annotations

from pathlib import Path

from forge_common.config import WorkerConfig
from forge_common.settings import run_role
from forge_worker.cuda.start import load_on
from forge_worker.loaded_model import LoadedModel
from forge_worker.process import serve
from forge_worker.weights.loader import OnProgress
from tests.cuda_emulator import EmulatedDevice
from tests.worker.cuda.engines import PlainLibrary

TOTAL_BYTES = 640 * 2**20


def load_emulated(config: WorkerConfig, on_progress: OnProgress) -> LoadedModel:
    device = EmulatedDevice(total_bytes=TOTAL_BYTES)
    path = Path(str(config.model.model_path))
    return load_on(device, PlainLibrary(device), config, path, on_progress, TOTAL_BYTES)


if __name__ == "__main__":
    run_role(
        WorkerConfig,
        lambda config: serve(config, load_emulated),
        name="forge-worker",
        help="A worker whose GPU is emulated.",
    )
