"""`forge-bench`: one of two commands, and an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from forge_common.bench.compare_command import compare
from forge_common.bench.run_command import run
from forge_common.command_line import show
from forge_common.errors import ConfigError
from forge_common.settings import exit_code_of

NAME = "forge-bench"
COMMANDS = {"run": run, "compare": compare}
HELP = """\
Usage: forge-bench run --url http://127.0.0.1:8080/v1 [OPTIONS]
       forge-bench compare A.json B.json [OPTIONS]

Drives any OpenAI-compatible server over HTTP, and reports how it did; or sets two such reports
side by side. Each command has --help."""


def main(argv: Sequence[str] | None = None) -> NoReturn:
    arguments = sys.argv[1:] if argv is None else argv
    sys.exit(exit_code_of(lambda: bench(arguments), NAME))


def bench(arguments: Sequence[str]) -> None:
    """Raises ForgeError with the sentence to show."""
    if not arguments or arguments[0] in ("-h", "--help"):
        show(HELP)
        return
    name, *rest = arguments
    if name not in COMMANDS:
        raise ConfigError(f"{name!r} is no command: use {' or '.join(COMMANDS)}")
    COMMANDS[name](rest, NAME)


if __name__ == "__main__":
    main()
