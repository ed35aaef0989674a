"""`forge-bench compare A.json B.json`: two results side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from forge_common.bench.page import comparison_page
from forge_common.bench.report import comparison_report
from forge_common.bench.result import read_result, write_text
from forge_common.command_line import HELP_FLAGS, parse_flags, show

HELP = """Set two results side by side: every number of both, and B over A.

A and B are files that `forge-bench run --json` wrote. Settings that differ are listed.
"""


def compare(argv: Sequence[str], name: str) -> None:
    """`argv` is what stands behind `compare`. Raises ConfigError for a file that is no result."""
    params: list[click.Parameter] = [
        click.Argument(["first"], type=click.Path(path_type=Path), metavar="A.json"),
        click.Argument(["second"], type=click.Path(path_type=Path), metavar="B.json"),
        click.Option(["--html"], type=click.Path(path_type=Path), help="Write a page with plots."),
    ]
    command = click.Command(None, params=params, help=HELP, context_settings=HELP_FLAGS)
    flags = parse_flags(command, argv, f"{name} compare")
    first, second = read_result(flags["first"]), read_result(flags["second"])
    show(comparison_report(first, second))
    if "html" in flags:
        write_text(flags["html"], comparison_page(first, second))
