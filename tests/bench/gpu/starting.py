"""One start of the worker on a GPU, in a process of its own: `python -m … DIRECTORY`.

Prints one line of JSON when it could serve. Everything is as in production but the numbers in the
file, which are zeros: nothing is run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import msgspec

from forge_common.config import WorkerConfig
from forge_worker.cuda.start import load_on_gpu
from forge_worker.loaded_model import LoadedModel
from forge_worker.weights.loader import OnProgress
from tests.bench.gpu.engine import EngineSettings

Load = Callable[[WorkerConfig, Path, OnProgress], LoadedModel]


class Started(msgspec.Struct, frozen=True):
    """`weights_s`: from the first weight that was read to the last one, of so many bytes."""

    weights_s: float
    weights_bytes: int


class Progress:
    """When weights were read; the first call tells of the first weight's end."""

    def __init__(self) -> None:
        self._calls: list[tuple[float, int]] = []

    def __call__(self, bytes_done: int, bytes_total: int) -> None:
        self._calls.append((perf_counter(), bytes_done))

    def started(self) -> Started:
        (first_s, first_bytes), (last_s, last_bytes) = self._calls[0], self._calls[-1]
        return Started(last_s - first_s, last_bytes - first_bytes)


def start(directory: Path, load: Load) -> Started:
    progress = Progress()
    load(EngineSettings().config, directory, progress)
    return progress.started()


if __name__ == "__main__":
    print(msgspec.json.encode(start(Path(sys.argv[1]), load_on_gpu)).decode(), flush=True)
