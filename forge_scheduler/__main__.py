"""`python -m forge_scheduler`: the scheduler as a role of its own; knows nothing but its name."""

from __future__ import annotations

from forge_common.config import SchedulerConfig
from forge_common.settings import run_role
from forge_scheduler.process import main

if __name__ == "__main__":
    run_role(
        SchedulerConfig,
        main,
        name="forge-scheduler",
        help="Queues requests, batches them step by step, and keeps one worker busy.",
    )
