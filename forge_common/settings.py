"""Reads a role's settings and runs the role: command line > environment > TOML file > default.

Everything a role may be told is derived from its config Struct by `settings_schema`; here the three
places a value can come from are put over one another, and `run_role` is the `main` all roles
share. Knows nothing of what any setting means.
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec
from msgspec import Struct

from forge_common.command_line import make_command, parse_flags
from forge_common.config import ApiConfig, LaunchConfig, LogSettings, SchedulerConfig, WorkerConfig
from forge_common.errors import ConfigError, ForgeError
from forge_common.lifeline import LIFELINE_FD_VARIABLE, hold_lifeline
from forge_common.log import configure_logging, tell_error
from forge_common.readiness import READY_FD_VARIABLE, Readiness
from forge_common.ready_file import READY_FILE_VARIABLE
from forge_common.restart_count import RESTARTS_VARIABLE
from forge_common.settings_schema import Setting, parse_value, settings_of

ConfigT = TypeVar("ConfigT", bound=Struct)
RoleT = TypeVar("RoleT", bound=ApiConfig | SchedulerConfig | WorkerConfig)

CONFIG_VARIABLE = "FORGE_CONFIG"
INTERRUPTED_EXIT_CODE = 130

logger = logging.getLogger(__name__)


def run_role(
    config_type: type[RoleT],
    main: Callable[[RoleT], None],
    *,
    name: str,
    help: str,
    argv: Sequence[str] | None = None,
) -> NoReturn:
    """Parse the settings, set up the log, call `main`, and exit with a code that says how it went.

    `name` is the role's program, say `forge-worker`. A ForgeError ends in one sentence and its
    EXIT_CODE. Handlers for SIGTERM are the role's own business.
    """
    hold_lifeline(os.environ)
    is_supervised = Readiness.from_environment().is_supervised
    role = None if is_supervised else name.removeprefix("forge-")
    configure_logging(LogSettings().log_level, role)

    def body() -> None:
        flags = parse_flags(make_command(config_type, help), argv, name)
        config = load_config(config_type, flags, os.environ)
        configure_logging(config.log.log_level, role, config.log.log_format)
        if not is_supervised:  # else the launcher has said it
            warn_of_unknown_variables(os.environ)
        main(config)

    sys.exit(exit_code_of(body, name))


def exit_code_of(body: Callable[[], None], name: str) -> int:
    """Run `body`; whatever ends it becomes an exit code, a sentence on stderr, and a report."""
    try:
        body()
    except KeyboardInterrupt:
        return INTERRUPTED_EXIT_CODE
    except ForgeError as error:
        _tell(name, str(error))
        return error.EXIT_CODE
    except Exception as error:
        logger.exception("a bug in Forge")
        _tell(name, f"unexpected {type(error).__name__}: {error}")
        return ForgeError.EXIT_CODE
    return 0


def load_config(
    config_type: type[ConfigT], flags: Mapping[str, object], environment: Mapping[str, str]
) -> ConfigT:
    """Build a config, each value from the first place that states it. Raises ConfigError.

    `flags` holds only what was given, by setting name, and `config` where a file was named.
    """
    file = flags.get("config") or environment.get(CONFIG_VARIABLE)
    places = Places(flags, environment, read_settings_file(Path(str(file))) if file else {})
    groups: dict[str, dict[str, Any]] = {}
    for setting in settings_of(config_type):
        groups.setdefault(setting.group, {})[setting.name] = places.value_of(setting)
    return config_type(
        **{
            group.name: group.type(**groups[group.name])
            for group in msgspec.structs.fields(config_type)
        }
    )


class Places(NamedTuple):
    """The places a value can come from; the first wins. File values are by (group, name)."""

    flags: Mapping[str, object]
    environment: Mapping[str, str]
    file: Mapping[tuple[str, str], object]

    def value_of(self, setting: Setting) -> Any:
        if setting.name in self.flags:
            return parse_value(setting, self.flags[setting.name], setting.flag, is_text=True)
        text = self.environment.get(setting.variable)
        # An empty variable states nothing, except that an empty list of keys would open the door.
        if text or (text is not None and setting.is_repeatable):
            value = text.split(",") if setting.is_repeatable else text
            return parse_value(setting, value, setting.variable, is_text=True)
        key = (setting.group, setting.name)
        if key in self.file:
            return parse_value(setting, self.file[key], setting.toml_key, is_text=False)
        return setting.default


def read_settings_file(path: Path) -> dict[tuple[str, str], object]:
    """Every value of a TOML file, by section and key. Raises ConfigError on what nobody knows.

    Sections of other roles are known too, so that all roles can share a file.
    """
    try:
        sections = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # tomllib's own, bad UTF-8, and huge numbers
        raise ConfigError(f"{path}: {error}") from error
    for section, values in sections.items():
        _check_section(path, section, values)
    return {
        (section, key): value
        for section, values in sections.items()
        for key, value in values.items()
    }


def warn_of_unknown_variables(environment: Mapping[str, str]) -> None:
    for name in unknown_variables(environment):
        logger.warning("nothing reads the environment variable %s", name)


def unknown_variables(environment: Mapping[str, str]) -> list[str]:
    """`FORGE_…` variables that nobody reads, each with the name that may have been meant."""
    known = {setting.variable for setting in settings_of(LaunchConfig)}
    known |= {CONFIG_VARIABLE, READY_FD_VARIABLE, READY_FILE_VARIABLE, LIFELINE_FD_VARIABLE}
    known.add(RESTARTS_VARIABLE)
    found = (name for name in environment if name.startswith("FORGE_") and name not in known)
    return [name + _suggestion(name, known) for name in sorted(found)]


def _check_section(path: Path, section: str, values: object) -> None:
    keys: dict[str, list[str]] = {}
    for setting in settings_of(LaunchConfig):
        keys.setdefault(setting.group, []).append(setting.name)
    if section not in keys:
        raise ConfigError(f"{path}: unknown section [{section}]{_suggestion(section, keys)}")
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: {section} must be a section, [{section}]")
    for key in values:
        if key not in keys[section]:
            hint = _suggestion(key, keys[section])
            raise ConfigError(f"{path}: unknown setting [{section}] {key}{hint}")


def _suggestion(name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def _tell(name: str, message: str) -> None:
    readiness = Readiness.from_environment()
    readiness.failed(message)
    if not readiness.is_supervised:  # else the launcher says it, once, as its last line
        tell_error(name, message)
