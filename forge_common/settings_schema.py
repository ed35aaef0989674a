"""The settings of `config` as a list: each with its flag, environment variable and TOML key.

Also what follows from the list alone: checking one value, handing a role its part through the
environment, and the table for the docs. Knows no command line, no file, and no actual environment.
"""

from __future__ import annotations

import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from forge_common.errors import ConfigError

ENVIRONMENT_PREFIX = "FORGE_"
TYPE_NAMES = {int: "INTEGER", float: "NUMBER", str: "TEXT"}
SWITCH_WORDS: Mapping[str, bool] = types.MappingProxyType(
    {
        "on": True,
        "off": False,
        "yes": True,
        "no": False,
        "true": True,
        "false": False,
        "1": True,
        "0": False,
    }
)


class Setting(NamedTuple):
    group: str
    name: str
    type: Any
    default: Any
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return ENVIRONMENT_PREFIX + self.name.upper()

    @property
    def toml_key(self) -> str:
        return f"[{self.group}] {self.name}"

    @property
    def bare_type(self) -> Any:
        return _bare(self.type)

    @property
    def is_switch(self) -> bool:
        return self.bare_type is bool

    @property
    def is_repeatable(self) -> bool:
        return get_origin(self.bare_type) is tuple

    @property
    def is_secret(self) -> bool:
        """Its value must not be shown."""
        return any((meta.extra or {}).get("is_secret") for meta in _metas(self.type))

    @property
    def choices(self) -> tuple[str, ...]:
        return get_args(self.bare_type) if get_origin(self.bare_type) is Literal else ()

    @property
    def metavar(self) -> str:
        return "|".join(self.choices) or TYPE_NAMES.get(self.bare_type, "TEXT")

    @property
    def default_text(self) -> str | None:
        """None where the help already says what happens by default."""
        if self.default is None or self.default == ():
            return None
        if self.is_switch:
            return "on" if self.default else "off"
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def settings_of(config_type: type[Struct]) -> tuple[Setting, ...]:
    """Every setting of a role's config, in the order they are stated."""
    return tuple(
        Setting(group.name, field.name, field.type, field.default, _description(field.type))
        for group in msgspec.structs.fields(config_type)
        for field in msgspec.structs.fields(group.type)
    )


def parse_value(setting: Setting, value: object, source: str, *, is_text: bool) -> Any:
    """`value` within the setting's type and bounds; ConfigError names `source`, say `--port`."""
    if is_text and setting.is_switch and isinstance(value, str):
        value = SWITCH_WORDS.get(value.lower(), value)
    try:
        return msgspec.convert(value, setting.type, strict=not is_text)
    except msgspec.ValidationError as error:
        problem = _problem(setting, value, str(error), is_text=is_text)
        raise ConfigError(f"{source}: {problem}") from error


def _problem(setting: Setting, value: object, error: str, *, is_text: bool) -> str:
    """What is wrong with `value`; `error` is what msgspec says, in terms of Python's types."""
    if "of length >= 1" in error:
        return "must not be empty"
    if not is_text and isinstance(value, str) and setting.bare_type in (int, float):
        return f'"{value}" is a text where a number is needed'
    given = "" if setting.is_secret else f", got {value}"
    return f"expected {_wanted(setting, error, is_text=is_text)}{given}"


def _wanted(setting: Setting, error: str, *, is_text: bool) -> str:
    if setting.is_switch and not is_text:
        return "true or false"
    if words := SWITCH_WORDS if setting.is_switch else setting.choices:
        return f"one of {', '.join(words)}"
    return error.replace("`", "").removeprefix("Expected ").split(", got ")[0]


def to_environment(config: Struct) -> dict[str, str]:
    """The settings that differ from their defaults, as variables from which a role reads them.

    The environment rather than the command line, since anyone on the machine may read the latter.
    """
    values = (
        (setting, getattr(getattr(config, setting.group), setting.name))
        for setting in settings_of(type(config))
    )
    return {
        setting.variable: _as_text(setting, value)
        for setting, value in values
        if value != setting.default
    }


def settings_table(config_type: type[Struct]) -> str:
    """Markdown, one row a setting."""
    return "\n".join(_table_lines(config_type)) + "\n"


def _table_lines(config_type: type[Struct]) -> Iterator[str]:
    yield "| flag | environment | TOML key | default | what it does |"
    yield "|---|---|---|---|---|"
    for setting in settings_of(config_type):
        names = f"`{setting.flag}` | `{setting.variable}` | `{setting.toml_key}`"
        values = f" One of {_quoted(setting.choices)}." if setting.choices else ""
        yield f"| {names} | {setting.default_text or ''} | {setting.help}{values} |"


def _quoted(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _as_text(setting: Setting, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, tuple):
        return str(value)
    if any("," in item for item in value):
        raise ConfigError(f"{setting.flag}: a value must not contain a comma")
    return ",".join(value)


def _bare(kind: Any) -> Any:
    """The type without its bounds and without `| None`."""
    if get_origin(kind) is Annotated:
        return _bare(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return _bare(next(arm for arm in get_args(kind) if arm is not type(None)))
    return kind


def _metas(kind: Any) -> Iterator[Meta]:
    return (extra for extra in get_args(kind)[1:] if isinstance(extra, Meta))


def _description(kind: Any) -> str:
    return next((meta.description for meta in _metas(kind) if meta.description), "")
