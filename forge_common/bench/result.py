"""BenchResult: one run in full, as it is written to a file and read back.

A number of the schema changes when a reader of old files would be misled.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from forge_common.bench.dataset_spec import DatasetSpec
from forge_common.bench.load import AnyLoad
from forge_common.bench.machine import Machine
from forge_common.bench.records import RequestRecord
from forge_common.bench.request_body import Endpoint
from forge_common.bench.service_level import ServiceLevel
from forge_common.bench.spans import span_text
from forge_common.bench.summary import Summary
from forge_common.bench.timeline import Timeline
from forge_common.bench.word_scale import WordScale
from forge_common.errors import ConfigError

SCHEMA_VERSION = 1
BUSY_SHARE = 0.8
LATE_S = 0.02


class RunSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was asked for. Keys and the values of headers are left out: a result is shown around."""

    url: str
    endpoint: Endpoint
    model: str
    dataset: DatasetSpec
    load: AnyLoad
    num_requests: int | None
    duration_s: float | None
    num_warmup: int
    seed: int
    timeout_s: float
    temperature: float | None
    is_eos_ignored: bool
    extra_body: dict[str, Any]
    header_names: list[str]
    slo: ServiceLevel | None


class LoadGenerator(Struct, frozen=True, forbid_unknown_fields=True):
    """How the load generator itself fared; `cpu_share` is its CPU time over the run's length."""

    cpu_share: float
    word_scale: WordScale


class BenchResult(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    schema_version: int
    forge_version: str
    started_at: str  # ISO 8601, UTC
    machine: Machine
    settings: RunSettings
    is_interrupted: bool
    generator: LoadGenerator
    summary: Summary
    timeline: Timeline
    requests: list[RequestRecord]


class Version(Struct, frozen=True):
    schema_version: int


def write_result(result: BenchResult, path: Path) -> None:
    """Raises ConfigError where nothing can be written there."""
    write_text(path, msgspec.json.format(msgspec.json.encode(result), indent=1).decode() + "\n")


def write_text(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error


def read_result(path: Path) -> BenchResult:
    """Raises ConfigError where the file is none of ours, or of another version."""
    try:
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=Version).schema_version
        if version != SCHEMA_VERSION:
            raise ConfigError(f"{path} has schema version {version}, not {SCHEMA_VERSION}")
        return msgspec.json.decode(data, type=BenchResult)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is no result of forge-bench: {error}") from error


def remarks(result: BenchResult) -> list[str]:
    """What a reader of the numbers has to know beside them, a sentence each."""
    counts = result.summary.counts
    num_by_events = counts.num_succeeded - counts.num_counted_by_usage
    lag = result.summary.distributions.get("send_lag")
    cached = counts.num_cached_tokens
    num_resent = sum(record.is_resent for record in result.requests)
    is_late = lag is not None and lag.percentiles[99] > LATE_S
    said = (
        (result.is_interrupted, "The run was interrupted: requests under way are left out."),
        (
            num_by_events > 0,
            f"{num_by_events} replies had no usage: their tokens are counted as one an event.",
        ),
        (
            not result.generator.word_scale.is_measured and not _is_from_file(result),
            "How many tokens a word has could not be measured: lengths of prompts are words.",
        ),
        (
            num_resent > 0,
            f"{num_resent} requests went out twice, since the server had closed the connection.",
        ),
        (
            bool(cached),
            f"{cached} of {counts.num_prompt_tokens} prompt tokens came from the server's cache.",
        ),
        (
            result.generator.cpu_share > BUSY_SHARE,
            f"The load generator used {result.generator.cpu_share:.0%} of a core: "
            "it may itself be what was slow.",
        ),
        (
            is_late,
            f"1 % of requests were sent {span_text(lag.percentiles[99] if lag else 0)} late or "
            "more: the load generator did not keep up.",
        ),
    )
    return [sentence for is_so, sentence in said if is_so]


def _is_from_file(result: BenchResult) -> bool:
    return result.settings.dataset.__struct_config__.tag == "jsonl"
