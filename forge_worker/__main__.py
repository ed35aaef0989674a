"""`python -m forge_worker`: one model on one device, serving the scheduler at --worker-endpoint."""

from __future__ import annotations

import os

from forge_common.config import WorkerConfig
from forge_common.settings import run_role
from forge_worker.blas_environment import prepare_blas
from forge_worker.cpu_cores import restrict

HELP = "Runs the model: computes each step the scheduler sends, and samples its tokens."


def serve_from(config: WorkerConfig) -> None:
    prepare_blas(os.environ)
    restrict(config.device)
    # NumPy reads its environment once, when it is first imported.
    from forge_worker.process import serve
    from forge_worker.start import load

    serve(config, load)


if __name__ == "__main__":
    run_role(WorkerConfig, serve_from, name="forge-worker", help=HELP)
