"""`python -m forge_common.health ROLE`: exit code 0 while the role does its work, else 1 and why.

    api         answers /readyz with 200: a request could be run now
    scheduler   its loop answers a question on its client link; over tcp that needs
                `server.key` and `client.key_secret` beside the scheduler's own keys
    worker      the process that wrote FORGE_READY_FILE, once its model was loaded, still runs

For an image's HEALTHCHECK and for probes: run it where the role runs, with the role's environment.
It reads the settings there and in FORGE_CONFIG, and no flags. Whether a worker's step hangs it
cannot see: the scheduler can, and /readyz tells.
"""

from __future__ import annotations

import http.client
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click
import zmq

from forge_common import ready_file
from forge_common.command_line import HELP_FLAGS, parse_flags
from forge_common.config import ApiConfig, HttpSettings, SchedulerConfig
from forge_common.curve_keys import client_security
from forge_common.errors import ConfigError, ForgeError
from forge_common.protocol.api_scheduler import GetStats, SchedulerMessage, SchedulerStats
from forge_common.settings import load_config
from forge_common.tls import loopback_context
from forge_common.transport import ClientChannel

Environment = Mapping[str, str]

TIMEOUT_S = 5.0
NAME = "forge-health"
HELP = "Exit code 0 while ROLE does its work, else 1 and why not."
LOOPBACK = {"0.0.0.0": "127.0.0.1", "*": "127.0.0.1", "::": "::1"}  # noqa: S104  (asked, not bound)


def why_api_is_not_ready(environment: Environment) -> str | None:
    settings = load_config(ApiConfig, {}, environment).http
    host = LOOPBACK.get(settings.host, settings.host)
    connection = connection_to(host, settings)
    try:
        connection.request("GET", "/readyz")
        reply = connection.getresponse()
        body = reply.read().decode(errors="replace")
        return None if reply.status == http.client.OK else body
    except (OSError, http.client.HTTPException) as error:
        return f"{host}:{settings.port} does not answer: {error}"
    finally:
        connection.close()


def connection_to(host: str, settings: HttpSettings) -> http.client.HTTPConnection:
    context = loopback_context(settings)
    if context is None:
        return http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT_S)
    return http.client.HTTPSConnection(host, settings.port, timeout=TIMEOUT_S, context=context)


def why_scheduler_is_not_ready(environment: Environment) -> str | None:
    """It is ready without a worker too: then it waits for one, and nothing is wrong with it."""
    links = load_config(SchedulerConfig, {}, environment).links
    if links.client_endpoint is None:
        raise ConfigError("FORGE_CLIENT_ENDPOINT must say where the scheduler listens")
    endpoint = reachable(links.client_endpoint)
    security = client_security(links.curve_keys, "client")
    identity = b"health-" + secrets.token_hex(8).encode()
    with zmq.Context() as context:
        channel: ClientChannel[SchedulerMessage] = ClientChannel(
            context, endpoint, SchedulerMessage, identity, security
        )
        try:
            channel.send(GetStats())
            return None if gets_stats(channel) else f"the scheduler at {endpoint} does not answer"
        finally:
            channel.close()


def gets_stats(channel: ClientChannel[SchedulerMessage]) -> bool:
    deadline = time.monotonic() + TIMEOUT_S
    while (left_s := deadline - time.monotonic()) > 0 and channel.wait(left_s):
        if isinstance(channel.receive(), SchedulerStats):
            return True
    return False


def reachable(endpoint: str) -> str:
    """As a client on this host can name it, also where the scheduler listens on every address."""
    transport, _, address = endpoint.partition("://")
    host, colon, port = address.rpartition(":")
    if transport != "tcp" or not colon:
        return endpoint
    bare = host.removeprefix("[").removesuffix("]")
    found = LOOPBACK.get(bare, bare)
    return f"tcp://[{found}]:{port}" if ":" in found else f"tcp://{found}:{port}"


def why_worker_is_not_ready(environment: Environment) -> str | None:
    path: Path | None = ready_file.ready_file(environment)
    if path is None:
        raise ConfigError(f"{ready_file.READY_FILE_VARIABLE} must name the worker's ready file")
    return ready_file.why_not_ready(path)


CHECKS: Mapping[str, Callable[[Environment], str | None]] = {
    "api": why_api_is_not_ready,
    "scheduler": why_scheduler_is_not_ready,
    "worker": why_worker_is_not_ready,
}


def check(argv: Sequence[str] | None, environment: Environment) -> str | None:
    """Why the role that `argv` names is not ready; None while it is. Raises ForgeError."""
    argument = click.Argument(["role"], type=click.Choice(list(CHECKS)))
    command = click.Command(None, params=[argument], help=HELP, context_settings=HELP_FLAGS)
    role: Any = parse_flags(command, argv, NAME)["role"]
    return CHECKS[role](environment)


def main() -> NoReturn:
    try:
        reason = check(None, os.environ)
    except ForgeError as error:
        reason = str(error)
    if reason is not None:
        print(f"{NAME}: {reason}", flush=True)
    sys.exit(0 if reason is None else 1)


if __name__ == "__main__":
    main()
