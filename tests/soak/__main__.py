"""`python -m tests.soak --minutes 30`: kills while it serves, and nothing may be lost or left.

With `--no-faults` the same processes serve all the time, and what they hold must not grow.

Prints a Markdown table; exits with 1 where anything was lost, wrong or left over.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click

from tests.soak.cases import all_cases
from tests.soak.faults import NO_FAULTS, Plan
from tests.soak.findings import findings
from tests.soak.report import report
from tests.soak.soak import Settings, Soak


@click.command()
@click.option("--minutes", type=float, default=30.0, show_default=True)
@click.option("--clients", type=int, default=12, show_default=True, help="Over HTTP.")
@click.option("--zmq-clients", type=int, default=2, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Of traffic and faults.")
@click.option("--faults/--no-faults", "has_faults", default=True, show_default=True)
@click.argument("flags", nargs=-1)
@click.option("--log", type=click.Path(path_type=Path), help="Where the deployment's log goes.")
def main(
    minutes: float,
    clients: int,
    zmq_clients: int,
    seed: int,
    has_faults: bool,
    flags: tuple[str, ...],
    log: Path | None,
) -> None:
    """FLAGS, behind a `--`, are forge-launch's."""
    settings = Settings(
        duration_s=minutes * 60,
        cases=all_cases(),
        plan=Plan() if has_faults else NO_FAULTS,
        num_http_clients=clients,
        num_zmq_clients=zmq_clients,
        seed=seed,
        flags=flags,
    )
    outcome = asyncio.run(Soak(settings).run())
    print(report(outcome))
    if log is not None:
        log.write_text("\n".join(outcome.log))
    found = findings(outcome)
    for line in (*outcome.tally.notes, *found):
        print(line, file=sys.stderr)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
