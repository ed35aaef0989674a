"""The API process: `python -m forge_api --client-endpoint …` serves HTTP over a scheduler.

Puts the parts together in order: model files, link to the scheduler, server. Knows no route.
"""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

from forge_api.metric_files import forget_dead, take_place
from forge_api.metrics_room import reserve
from forge_common.config import ApiConfig
from forge_common.errors import ConfigError
from forge_common.open_files import allow_many_connections
from forge_common.readiness import Readiness
from forge_common.settings import run_role

MULTIPROCESS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
METRICS_DIRECTORY = "metrics"

logger = logging.getLogger(__name__)


def main(config: ApiConfig) -> None:
    """Raises ForgeError for what keeps the process from serving."""
    allow_many_connections()
    share_metrics(config)
    # Only now: prometheus_client decides at its import whether processes share their counts.
    from forge_api.role import run

    asyncio.run(run(config, Readiness.from_environment()))


def share_metrics(config: ApiConfig) -> None:
    """Several API processes count into files of one directory, so that any of them can sum up."""
    if config.http.api_workers == 1 or config.launch.run_dir is None:
        return
    directory = Path(config.launch.run_dir, METRICS_DIRECTORY)
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make {directory}: {error.strerror}") from error
    try:
        place = take_place(directory)
        forget_dead(directory)
        reserve(directory, place)
    except OSError as error:
        logger.warning("metrics of this process are not shared: %s: %s", directory, error)
        return
    os.environ[MULTIPROCESS_VARIABLE] = str(directory)
    count_at(place)


def count_at(place: int) -> None:
    """Let metrics that are made from now on be kept in the files of this place."""
    from prometheus_client import values

    values.ValueClass = values.MultiProcessValue(lambda: place)  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    run_role(ApiConfig, main, name="forge-api", help="Serve the OpenAI API over a scheduler.")
