"""The command line of a config type, derived from its settings, with help grouped by section.

Returns only what was given; knows nothing of the environment, of files, or of what settings mean.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any

import click
from msgspec import Struct

from forge_common.errors import ConfigError
from forge_common.settings_schema import Setting, settings_of

EPILOG = (
    "Each setting can also stand in the environment (--max-batch-size is FORGE_MAX_BATCH_SIZE; "
    "several values are separated by commas) or in the TOML file named by --config, under its "
    "section ([batch] max_batch_size). A flag wins over the environment, the environment over "
    "the file."
)
HEADINGS = {"http": "HTTP", "links": "Link"}
HELP_FLAGS = {"help_option_names": ["-h", "--help"]}


def parse_flags(
    command: click.Command, argv: Sequence[str] | None, prog_name: str
) -> dict[str, Any]:
    """What was given, by setting name. Raises ConfigError; exits after `--help` and the like."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        with command.make_context(prog_name, arguments) as context:
            given = context.params.items()
            return {name: value for name, value in given if value is not None and value != ()}
    except click.exceptions.Exit as error:
        sys.exit(error.exit_code)
    except BrokenPipeError:
        _discard_output()
        sys.exit(0)
    except click.ClickException as error:
        raise ConfigError(error.format_message().rstrip(".")) from error


def show(text: str) -> None:
    """Print for a reader who may stop at any line, as `head` does, or whose disk may be full."""
    try:
        print(text, flush=True)
    except OSError:
        _discard_output()


def make_command(
    config_type: type[Struct], help: str, extra: Sequence[click.Option] = ()
) -> click.Command:
    """A command with an option for each setting, `--config`, and `extra` ones."""
    config = click.Option(["--config"], metavar="FILE", help="TOML file with settings.")
    general = [config, *extra]
    settings = settings_of(config_type)
    return GroupedCommand(
        None,
        params=[*general, *(_option(setting) for setting in settings)],
        sections=_sections(settings),
        help=help,
        epilog=EPILOG,
        context_settings=HELP_FLAGS,
    )


class GroupedCommand(click.Command):
    """Shows its options under headings: parameter names by section, the rest first."""

    def __init__(self, *args: Any, sections: dict[str, list[str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._sections = sections

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        params = {str(param.name): param for param in self.get_params(ctx)}
        in_sections = {name for names in self._sections.values() for name in names}
        general = [name for name in params if name not in in_sections]
        for title, names in [("Options", general), *self._sections.items()]:
            records = (params[name].get_help_record(ctx) for name in names)
            with formatter.section(title):
                formatter.write_dl([record for record in records if record])


def _discard_output() -> None:
    """Nobody reads it any more: what is still buffered must not fail when Python exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _sections(settings: Iterable[Setting]) -> dict[str, list[str]]:
    groups = groupby(settings, key=lambda setting: setting.group)
    return {
        f"{HEADINGS.get(group, group.capitalize())} settings": [setting.name for setting in members]
        for group, members in groups
    }


def _option(setting: Setting) -> click.Option:
    flags = setting.flag
    if setting.is_switch:
        flags += "/" + setting.flag.replace("--", "--no-", 1)
    default = setting.default_text
    return click.Option(
        [flags, setting.name],
        help=setting.help + (f"  [default: {default}]" if default else ""),
        default=None,
        type=bool if setting.is_switch else str,
        multiple=setting.is_repeatable,
        metavar=None if setting.is_switch else setting.metavar,
    )
