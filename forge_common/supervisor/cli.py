"""`forge-launch`: reads the settings, checks what can be checked, and supervises the processes.

Knows the order of these steps; each is done elsewhere.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from forge_common.command_line import make_command, parse_flags, show
from forge_common.config import HttpSettings, LaunchConfig
from forge_common.log import configure_logging, send_records, tell_error
from forge_common.settings import exit_code_of, load_config, warn_of_unknown_variables
from forge_common.supervisor.console import Console, ConsoleHandler
from forge_common.supervisor.keys_command import make_keys_and_tell
from forge_common.supervisor.outcome import Outcome
from forge_common.supervisor.plan_text import plan_text
from forge_common.supervisor.preflight import (
    check_port,
    find_model,
    plan_for,
    settle,
    settle_links,
)
from forge_common.supervisor.roles import Role, roles_of
from forge_common.supervisor.run_dir import run_directory
from forge_common.supervisor.supervisor import Supervisor
from forge_common.tls import scheme_of, server_context

NAME = "forge-launch"
HELP = """Serve a language model over the OpenAI API.

Starts a scheduler, a worker that holds the model, and API processes, watches over them, and ends
them all together. Without --model-path it serves the small model that comes with Forge.

`forge-launch keys DIRECTORY` makes the keys that processes on several hosts need instead.
"""
KEYS_COMMAND = "keys"

logger = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> NoReturn:
    sys.exit(exit_code_of(lambda: launch(argv), NAME))


def launch(argv: Sequence[str] | None) -> None:
    """Raises ForgeError with the sentence to show, or SystemExit with the deployment's code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == [KEYS_COMMAND]:
        return make_keys_and_tell(arguments[1:], NAME)
    plan_flag = click.Option(["--plan"], is_flag=True, help="Print the memory plan and exit.")
    flags = parse_flags(make_command(LaunchConfig, HELP, [plan_flag, version_flag()]), argv, NAME)
    config = load_config(LaunchConfig, flags, os.environ)
    configure_logging(config.log.log_level, "launch", config.log.log_format)
    warn_of_unknown_variables(os.environ)  # before what a mistyped one may make fail, say the port
    server_context(config.http)  # so that files of no use are told of at once
    model = find_model(config.model)
    plan = plan_for(model, config)
    if flags.get("plan"):
        show(plan_text(plan, model.name))
        return
    config = settle(config, model, plan, check_port(config.http))
    outcome = serve(config)
    if outcome.reason is not None:
        tell_error(NAME, outcome.reason)
    sys.exit(outcome.exit_code)


def serve(config: LaunchConfig) -> Outcome:
    with run_directory(config.launch.run_dir) as run_dir:
        config = settle_links(config, run_dir)
        roles = roles_of(config, os.environ)
        names = ["launch", *(role.name for role in roles)]
        console = Console(sys.stderr, names, config.log.log_format)
        send_records(config.log.log_level, ConsoleHandler(console, "launch"))
        return asyncio.run(supervise(config, roles, console))


async def supervise(config: LaunchConfig, roles: Sequence[Role], console: Console) -> Outcome:
    def announce() -> None:
        logger.info("services that speak ZMQ connect to %s", config.links.client_endpoint)
        url = base_url(config.http)
        say = logger.info if config.log.log_format == "json" else show
        say(f"Forge is ready: {url}/v1 (model {config.model.served_model_name})")

    return await Supervisor(console, config.launch, announce).run(roles)


def base_url(http: HttpSettings) -> str:
    """As a client on this machine can type it, also where Forge listens on every address."""
    try:
        address = ipaddress.ip_address(http.host)
    except ValueError:
        return f"{scheme_of(http)}://{http.host}:{http.port}"
    if address.is_unspecified:
        address = ipaddress.ip_address("::1" if address.version == 6 else "127.0.0.1")
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{scheme_of(http)}://{host}:{http.port}"


def version_flag() -> click.Option:
    def show(context: click.Context, _: click.Parameter, is_asked: bool) -> None:
        if is_asked:
            from importlib.metadata import version

            click.echo(f"forge {version('forge-server')}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )


if __name__ == "__main__":
    main()
