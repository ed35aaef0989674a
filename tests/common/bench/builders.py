"""Observations and results out of plain numbers."""

from __future__ import annotations

from array import array
from typing import Any

from forge_common.bench.dataset_spec import Synthetic
from forge_common.bench.load import Concurrent
from forge_common.bench.machine import Machine
from forge_common.bench.records import Failure, Observation, RequestRecord, gaps
from forge_common.bench.request_body import Endpoint
from forge_common.bench.result import SCHEMA_VERSION, BenchResult, LoadGenerator, RunSettings
from forge_common.bench.service_level import ServiceLevel
from forge_common.bench.summary import summary_of
from forge_common.bench.timeline import timeline_of
from forge_common.bench.word_scale import WordScale


def observation(
    *content_s: float,
    due: float = 0.0,
    sent: float | None = None,
    end: float | None = None,
    **fields: Any,
) -> Observation:
    """A reply whose content events came at `content_s`; it ends with the last one."""
    times = array("d", content_s)
    record = RequestRecord(
        index=fields.pop("index", 0),
        intended_s=due,
        sent_s=due if sent is None else sent,
        end_s=content_s[-1] if end is None else end,
        first_content_s=content_s[0] if content_s else None,
        longest_gap_s=max(gaps(times), default=None),
        num_content_events=len(times),
        num_output_tokens=fields.pop("tokens", len(times)),
        **fields,
    )
    return Observation(record, times)


def failed(kind: str, *, due: float = 0.0, end: float = 1.0, **fields: Any) -> Observation:
    return observation(due=due, end=end, failure=Failure(kind, **fields))


def result(
    *observations: Observation, slo: ServiceLevel | None = None, **settings: Any
) -> BenchResult:
    return BenchResult(
        schema_version=SCHEMA_VERSION,
        forge_version="0.1.0",
        started_at="2026-01-01T00:00:00+00:00",
        machine=Machine("Linux", "a processor", 2, "3.11", "3.14"),
        settings=run_settings(slo=slo, **settings),
        is_interrupted=False,
        generator=LoadGenerator(0.01, WordScale(is_measured=True)),
        summary=summary_of(observations, slo),
        timeline=timeline_of(observations),
        requests=[each.record for each in observations],
    )


def run_settings(**given: Any) -> RunSettings:
    fields: dict[str, Any] = {
        "url": "http://server/v1",
        "endpoint": Endpoint.CHAT,
        "model": "a-model",
        "dataset": Synthetic(),
        "load": Concurrent(1),
        "num_requests": 2,
        "duration_s": None,
        "num_warmup": 0,
        "seed": 0,
        "timeout_s": 10.0,
        "temperature": None,
        "is_eos_ignored": False,
        "extra_body": {},
        "header_names": [],
        "slo": None,
    }
    return RunSettings(**{**fields, **given})
