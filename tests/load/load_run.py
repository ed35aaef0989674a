"""Many at a time against a deployment of its own: streams that are held, and a flood.

The load comes from forge-bench's own parts, in this process: its cost is in every number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from forge_common.bench.bench_run import run_bench
from forge_common.bench.dataset_spec import Synthetic
from forge_common.bench.load import AllAtOnce
from forge_common.bench.records import RequestRecord
from forge_common.bench.request_body import Endpoint
from forge_common.bench.result import BenchResult, RunSettings
from forge_common.open_files import allow_many_connections
from tests.soak.deployment import Deployment

TIMEOUT_S = 540.0
REFUSED = "HTTP 429"
PEAK = "VmHWM:"
KIB = 1024


class Job(NamedTuple):
    """`num_requests` at once, each of so many tokens in and out."""

    num_requests: int
    num_input_tokens: int
    num_output_tokens: int
    flags: tuple[str, ...] = ()


class LoadOutcome(NamedTuple):
    job: Job
    result: BenchResult
    rss_at_rest_bytes: dict[str, int]  # the largest of each role
    rss_peak_bytes: dict[str, int]

    @property
    def num_served(self) -> int:
        return self.result.summary.counts.num_succeeded

    @property
    def num_refused(self) -> int:
        """With a 429 that says when to come back."""
        failures = [record.failure for record in self.result.requests]
        return sum(
            failure is not None and failure.kind == REFUSED and failure.retry_after_s is not None
            for failure in failures
        )

    @property
    def num_failed(self) -> int:
        return self.job.num_requests - self.num_served - self.num_refused

    @property
    def failures(self) -> Counter[str]:
        kinds = (record.failure for record in self.result.requests)
        return Counter(f"{one.kind}: {one.detail}" for one in kinds if one is not None)

    @property
    def most_streams_at_a_time(self) -> int:
        return most_at_a_time(self.result.requests)


async def run_job(job: Job) -> LoadOutcome:
    allow_many_connections()  # the server's processes are given the same limit
    deployment = await Deployment.start(*job.flags)
    try:
        await deployment.wait_until_whole()
        at_rest = _peak_bytes(deployment)
        result = await run_bench(_settings(job, deployment.forge.url), {})
        return LoadOutcome(job, result, at_rest, _peak_bytes(deployment))
    finally:
        deployment.forge.destroy()


def most_at_a_time(records: Sequence[RequestRecord]) -> int:
    """Streams that had begun to speak and had not ended."""
    streams = [record for record in records if record.first_content_s is not None]
    begins = [(record.first_content_s or 0.0, 1) for record in streams]
    ends = [(record.end_s, -1) for record in streams]
    return max(accumulate(change for _, change in sorted([*begins, *ends])), default=0)


def _settings(job: Job, url: str) -> RunSettings:
    dataset = Synthetic(
        num_input_tokens=job.num_input_tokens, num_output_tokens=job.num_output_tokens
    )
    return RunSettings(
        url=f"{url}/v1",
        endpoint=Endpoint.COMPLETIONS,
        model="",
        dataset=dataset,
        load=AllAtOnce(),
        num_requests=job.num_requests,
        duration_s=None,
        num_warmup=0,
        seed=0,
        timeout_s=TIMEOUT_S,
        temperature=0.0,
        is_eos_ignored=True,
        extra_body={"skip_special_tokens": False},  # else a reply of nothing else has no text
        header_names=[],
        slo=None,
    )


def _peak_bytes(deployment: Deployment) -> dict[str, int]:
    """Of each role, since its process began: what the kernel kept as the high-water mark."""
    peaks: dict[str, int] = {}
    for pid, role in deployment.pids().items():
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        (line,) = (line for line in lines if line.startswith(PEAK))
        peaks[role] = max(peaks.get(role, 0), int(line.split()[1]) * KIB)
    return peaks
