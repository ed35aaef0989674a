"""`python -m tests.load`: 500 streams at a time, then 10,000 requests at once. Minutes.

Prints a Markdown table; exits with 1 where a request neither was served nor was told to come back.
"""

from __future__ import annotations

import asyncio
import sys

import click

from tests.load.load_run import Job, LoadOutcome, run_job
from tests.load.load_table import table


@click.command()
@click.option("--streams", type=int, default=500, show_default=True)
@click.option("--stream-tokens", type=int, default=128, show_default=True)
@click.option("--requests", type=int, default=10_000, show_default=True)
def main(streams: int, stream_tokens: int, requests: int) -> None:
    held = asyncio.run(run_job(held_streams(streams, stream_tokens)))
    flood = asyncio.run(run_job(Job(requests, 16, 16)))
    print(table({f"{streams} streams": held, f"{requests:,} requests at once": flood}))
    if is_bad(held) or held.num_refused or is_bad(flood):
        print(held.failures, flood.failures, file=sys.stderr)
        sys.exit(1)


def held_streams(num_streams: int, num_tokens: int) -> Job:
    """All of them run, none waits."""
    return Job(num_streams, 16, num_tokens, ("--max-batch-size", str(num_streams)))


def is_bad(outcome: LoadOutcome) -> bool:
    return outcome.num_failed > 0


if __name__ == "__main__":
    main()
