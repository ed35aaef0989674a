"""`forge-bench run`: flags in, a run, and its report out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from forge_common.bench.bench_run import run_bench
from forge_common.bench.page import run_page
from forge_common.bench.report import run_report
from forge_common.bench.result import write_result, write_text
from forge_common.bench.run_flags import headers_of, run_options, run_settings
from forge_common.command_line import HELP_FLAGS, parse_flags, show
from forge_common.errors import ForgeError
from forge_common.open_files import allow_many_connections

HELP = """Drive a server, and report latencies, throughput, goodput and what failed.

Spans are written as 500ms, 30s or 2m. Ctrl-C ends a run early and reports what there is.
"""


def run(argv: Sequence[str], name: str) -> None:
    """`argv` is what stands behind `run`. Raises ForgeError where no request succeeded."""
    command = click.Command(None, params=run_options(), help=HELP, context_settings=HELP_FLAGS)
    flags = parse_flags(command, argv, f"{name} run")
    settings, headers = run_settings(flags), headers_of(flags)
    allow_many_connections()
    result = asyncio.run(run_bench(settings, headers))
    show(run_report(result))
    if "json" in flags:
        write_result(result, flags["json"])
    if "html" in flags:
        write_text(flags["html"], run_page(result))
    if not result.summary.counts.num_succeeded:
        raise ForgeError("no request succeeded")
