"""A role whose loop fails when it is asked to: `python -m tests.faults.faulty_role MODULE`.

    $FAULTS_DIRECTORY/<module>   holds the name of a fault, which the first to find it takes away

The worker fails in a step, the scheduler and the API where they take in what came of one. Steps of
the worker also take a least time, so that there is some to disturb streams in. All that is faulty
is here: nothing that is shipped knows of it.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any, NoReturn

from forge_common.config import ApiConfig, SchedulerConfig, WorkerConfig
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_common.settings import run_role

DIRECTORY_VARIABLE = "FAULTS_DIRECTORY"
STEP_S = 0.004
STALL_S = 600.0


class Mistake(Exception):
    """What a bug might raise."""


def make_a_mistake() -> NoReturn:
    raise Mistake("a bug")


def run_out_of_memory() -> NoReturn:
    raise MemoryError("cannot allocate 1 TiB")


FAULTS: Mapping[str, Callable[[], object]] = {
    "exception": make_a_mistake,
    "memory error": run_out_of_memory,
    "stall": lambda: time.sleep(STALL_S),
    "exit": lambda: os._exit(9),
}


def ask_for(fault: str, module: str, directory: Path) -> None:
    """Of the test's side: it happens in the next round of one process of this role."""
    unfinished = directory / f".{module}"
    unfinished.write_text(fault)
    unfinished.rename(directory / module)


def fail_if_asked(module: str) -> None:
    path = Path(os.environ[DIRECTORY_VARIABLE], module)
    if path.exists():
        claimed = path.with_name(f"{module}-{os.getpid()}")
        with suppress(FileNotFoundError):  # another process of the role was faster
            path.rename(claimed)
            FAULTS[claimed.read_text()]()


class FaultyRunner:
    """A Runner that may fail before it launches a step."""

    def __init__(self, runner: Any) -> None:
        self._runner = runner

    def launch(self, batch: RunBatch) -> None:
        fail_if_asked("forge_worker")
        time.sleep(STEP_S)
        self._runner.launch(batch)

    def finished(self) -> list[BatchOutput]:
        outputs: list[BatchOutput] = self._runner.finished()
        return outputs

    def use_spare_time(self) -> None:
        self._runner.use_spare_time()

    def waking(self, wake: Callable[[], None]) -> AbstractContextManager[object]:
        context: AbstractContextManager[object] = self._runner.waking(wake)
        return context


def serve_as_worker(config: WorkerConfig) -> None:
    from forge_worker.blas_environment import prepare_blas

    prepare_blas(os.environ)
    from forge_worker.process import serve
    from forge_worker.start import load

    def load_faulty(*arguments: Any) -> Any:
        loaded = load(*arguments)
        return loaded._replace(runner=FaultyRunner(loaded.runner))

    serve(config, load_faulty)


def serve_as_scheduler(config: SchedulerConfig) -> None:
    from forge_scheduler.process import main
    from forge_scheduler.scheduler import Scheduler

    make_faulty(Scheduler, "update", "forge_scheduler")
    main(config)


def serve_as_api(config: ApiConfig) -> None:
    from forge_api.__main__ import main, share_metrics

    share_metrics(config)  # before what is made faulty is imported
    from forge_api.open_requests import OpenRequests

    make_faulty(OpenRequests, "deliver", "forge_api")
    main(config)


def make_faulty(owner: type, name: str, module: str) -> None:
    """Let a method fail when asked."""
    method = getattr(owner, name)

    def faulty(*arguments: Any) -> Any:
        fail_if_asked(module)
        return method(*arguments)

    setattr(owner, name, faulty)


MAINS: Mapping[str, tuple[Any, Callable[[Any], None]]] = {
    "forge_worker": (WorkerConfig, serve_as_worker),
    "forge_scheduler": (SchedulerConfig, serve_as_scheduler),
    "forge_api": (ApiConfig, serve_as_api),
}

if __name__ == "__main__":
    config_type, main = MAINS[sys.argv[1]]
    run_role(config_type, main, name=sys.argv[1], help="", argv=[])
