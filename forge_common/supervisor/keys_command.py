"""`forge-launch keys DIRECTORY`: makes the keys of a deployment, and says which host gets which.

Knows no key; those are made by `curve_keys`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from forge_common.command_line import HELP_FLAGS, parse_flags, show
from forge_common.curve_keys import make_keys

HELP = """Make the keys that links between hosts need.

DIRECTORY is made, for you alone, with a key pair for the scheduler, the worker, the API and
services that speak ZMQ. Each host gets only the files that are printed for it.
"""
WHERE_TO = """\
The keys are in {directory}. Copy them, by a private way, into a directory on each host:
  scheduler         server.key_secret  clients/  worker/
  worker            server.key  worker.key_secret
  API               server.key  api.key_secret
  ZMQ clients       server.key  client.key_secret
and name that directory with --curve-keys there. Whoever has a .key_secret may play that role."""


def make_keys_and_tell(argv: Sequence[str], name: str) -> None:
    """`argv` is what stands behind `keys`. Raises ConfigError where the directory exists."""
    argument = click.Argument(["directory"], type=click.Path(path_type=Path))
    command = click.Command(None, params=[argument], help=HELP, context_settings=HELP_FLAGS)
    directory = parse_flags(command, argv, f"{name} keys")["directory"]
    make_keys(directory)
    show(WHERE_TO.format(directory=directory))
