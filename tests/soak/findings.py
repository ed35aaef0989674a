"""What a soak found wrong: sentences, none where all is well.

The limits on growth leave room for what varies between two processes of one role: which requests
they happened to serve, and how many idle compilers of grammars an API process keeps.
"""

from __future__ import annotations

from collections.abc import Iterator

from tests.soak.footprint import MIB, Growth
from tests.soak.soak import Outcome

MIN_DURATION_S = 60.0  # a process that has just started grows
MAX_GROWTH = 1.15
MAX_GROWTH_BYTES = 16 * MIB
MAX_NEW_FDS = {"supervisor": 0, "scheduler": 2, "worker": 2, "api": 16}


def findings(outcome: Outcome) -> list[str]:
    return [*_of_requests(outcome), *_of_growth(outcome), *_of_rest(outcome), *_of_end(outcome)]


def _of_requests(outcome: Outcome) -> Iterator[str]:
    tally = outcome.tally
    if tally.num_lost:
        yield f"{tally.num_lost} requests were lost"
    if tally.num_wrong:
        yield f"{tally.num_wrong} replies were wrong"
    if not tally.num_requests or (outcome.settings.plan.shares and not tally.faults):
        yield "nothing happened"


def _of_growth(outcome: Outcome) -> Iterator[str]:
    is_settled = outcome.settings.duration_s >= MIN_DURATION_S
    for growth in outcome.footprint.growth():
        if is_settled and has_grown(growth):
            yield f"{growth.role}: memory grew from {growth.first} to {growth.last}"


def has_grown(growth: Growth) -> bool:
    first_bytes = growth.first.rss_bytes
    return growth.last.rss_bytes > max(first_bytes * MAX_GROWTH, first_bytes + MAX_GROWTH_BYTES)


def _of_rest(outcome: Outcome) -> Iterator[str]:
    for role, max_new in MAX_NEW_FDS.items():
        before = max(held.num_fds for held in outcome.before.by_role[role])
        after = max(held.num_fds for held in outcome.after.by_role[role])
        if after > before + max_new:
            yield f"{role}: {before} descriptors at rest became {after}"
    new_files = outcome.after.run_files - outcome.before.run_files
    if new_files:
        yield f"new files in the run directory: {sorted(new_files)}"


def _of_end(outcome: Outcome) -> Iterator[str]:
    ending = outcome.ending
    stats = ending.stats
    if stats is None or stats.num_free_blocks != stats.num_blocks:
        yield f"not all KV blocks are free: {stats}"
    if ending.num_open_requests:
        yield f"{ending.num_open_requests} requests are open in an API process"
    if ending.num_zombies or ending.num_processes_left:
        yield f"{ending.num_zombies} zombies, {ending.num_processes_left} processes left"
    if ending.exit_code:
        yield f"exit code {ending.exit_code}"
    if ending.is_run_dir_left or ending.shared_memory_left:
        yield f"left: run directory or {sorted(ending.shared_memory_left)} in shared memory"
