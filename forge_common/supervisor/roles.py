"""Which processes a deployment consists of, and what each of them is told.

A role reads its settings from its environment, which only its owner can see; a command line could
be read by anyone on the machine, API keys included. Knows settings, not processes.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from forge_common.config import ApiConfig, LaunchConfig, SchedulerConfig, WorkerConfig
from forge_common.settings import CONFIG_VARIABLE
from forge_common.settings_schema import settings_of, to_environment

PartT = TypeVar("PartT", bound=Struct)


class Role(NamedTuple):
    """One process to start. A higher `stage` stops earlier: the edge first, the worker last.

    One that `is_restarted` may end at any moment without its peers losing anything. One that
    `is_reloaded` reads files again on SIGHUP.
    """

    name: str
    stage: int
    argv: tuple[str, ...]
    environment: Mapping[str, str]
    is_restarted: bool = False
    is_reloaded: bool = False


def roles_of(config: LaunchConfig, environment: Mapping[str, str]) -> tuple[Role, ...]:
    """In the order in which they start: the longest to load first.

    `environment` is the launcher's own, of which they inherit what is no setting.
    """
    inherited = without_settings(environment)
    num_api = config.http.api_workers
    api_names = ["api"] if num_api == 1 else [f"api-{index}" for index in range(num_api)]
    roles = [
        ("worker", 0, "forge_worker", _part(config, WorkerConfig)),
        ("scheduler", 1, "forge_scheduler", _part(config, SchedulerConfig)),
        *((name, 2, "forge_api", _part(config, ApiConfig)) for name in api_names),
    ]
    return tuple(
        Role(
            name,
            stage,
            (sys.executable, "-P", "-m", module),
            {**inherited, **to_environment(part), "PYTHONUNBUFFERED": "1"},
            is_restarted=True,
            is_reloaded=name in api_names and config.http.has_files_to_reload,
        )
        for name, stage, module, part in roles
    )


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The launcher has read these already; a role must not read them a second time."""
    settings = {setting.variable for setting in settings_of(LaunchConfig)} | {CONFIG_VARIABLE}
    return {name: value for name, value in environment.items() if name not in settings}


def _part(config: LaunchConfig, part_type: type[PartT]) -> PartT:
    names = [field.name for field in msgspec.structs.fields(part_type)]
    return part_type(**{name: getattr(config, name) for name in names})
