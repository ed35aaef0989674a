"""`forge-launch keys DIRECTORY`: makes the keys of a deployment, and says which host gets which.

With `--by-role` they lie in a directory for each role, and are left as they are if they are there
already: so that containers can have them made at every start.

Knows no key; those are made by `curve_keys`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from forge_common.command_line import HELP_FLAGS, parse_flags, show
from forge_common.curve_keys import FILES_OF_ROLES, make_keys, make_keys_by_role

HELP = """Make the keys that links between hosts need.

DIRECTORY is made, for you alone, with a key pair for the scheduler, the worker, the API and
services that speak ZMQ. Each host gets only the files that are printed for it.
"""
BY_ROLE_HELP = "Make a directory of what it needs for each role, unless all are there."
WHERE_TO = """\
The keys are in {directory}. Copy them, by a private way, into a directory on each host:
  scheduler         server.key_secret  clients/  worker/
  worker            server.key  worker.key_secret
  API               server.key  api.key_secret
  ZMQ clients       server.key  client.key_secret
and name that directory with --curve-keys there. Whoever has a .key_secret may play that role."""


def make_keys_and_tell(argv: Sequence[str], name: str) -> None:
    """`argv` is what stands behind `keys`. Raises ConfigError where keys are in the way."""
    argument = click.Argument(["directory"], type=click.Path(path_type=Path))
    by_role = click.Option(["--by-role"], is_flag=True, help=BY_ROLE_HELP)
    params = [argument, by_role]
    command = click.Command(None, params=params, help=HELP, context_settings=HELP_FLAGS)
    given = parse_flags(command, argv, f"{name} keys")
    if given["by_role"]:
        _make_by_role(given["directory"])
    else:
        make_keys(given["directory"])
        show(WHERE_TO.format(directory=given["directory"]))


def _make_by_role(directory: Path) -> None:
    is_new = make_keys_by_role(directory)
    roles = ", ".join(f"{role}/" for role in FILES_OF_ROLES)
    show(f"The keys {'are' if is_new else 'were already'} in {directory}, for each role: {roles}")
