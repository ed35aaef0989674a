"""The flags of `forge-bench run`, and the settings that they make. Sends nothing."""

from __future__ import annotations

from collections.abc import Mapping
from math import isinf, isnan
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import click
import msgspec

from forge_common.bench.dataset_spec import dataset_spec
from forge_common.bench.load import AllAtOnce, AnyLoad, Concurrent, Poisson
from forge_common.bench.request_body import Endpoint
from forge_common.bench.result import RunSettings
from forge_common.bench.service_level import service_level
from forge_common.bench.spans import span_s
from forge_common.errors import ConfigError

DEFAULT_NUM_REQUESTS = 100
KEY_VARIABLE = "BENCH_API_KEY"
FILE = click.Path(path_type=Path, dir_okay=False)
POSITIVE = click.IntRange(min=1)


def run_options() -> list[click.Parameter]:
    return [*_server_options(), *_load_options(), *_request_options(), *_report_options()]


def run_settings(flags: Mapping[str, Any]) -> RunSettings:
    """From the flags that were given, by name. Raises ConfigError where they contradict."""
    if "num_requests" in flags and "duration" in flags:
        raise ConfigError("--num-requests and --duration exclude each other")
    duration = flags.get("duration")
    return RunSettings(
        url=_without_password(flags["url"]),
        endpoint=Endpoint(flags["endpoint"]),
        model=flags.get("model", ""),
        dataset=dataset_spec(flags["dataset"]),
        load=load_of(flags),
        num_requests=None if duration else flags.get("num_requests", DEFAULT_NUM_REQUESTS),
        duration_s=span_s(duration, "--duration") if duration else None,
        num_warmup=flags["warmup"],
        seed=flags["seed"],
        timeout_s=span_s(flags["timeout"], "--timeout"),
        temperature=flags.get("temperature"),
        is_eos_ignored=flags["ignore_eos"],
        extra_body=_extra_body(flags.get("extra_body", "{}")),
        header_names=sorted(headers_of(flags)),
        slo=service_level(flags["slo"]) if "slo" in flags else None,
    )


def load_of(flags: Mapping[str, Any]) -> AnyLoad:
    """Raises ConfigError."""
    ramp_s = span_s(flags["ramp"], "--ramp") if "ramp" in flags else 0.0
    if "rate" not in flags:
        if "burstiness" in flags:
            raise ConfigError("--burstiness shapes arrivals: it needs --rate")
        return Concurrent(flags.get("concurrency", 1), ramp_s)
    rate_per_s = flags["rate"]
    if "concurrency" in flags:
        raise ConfigError("--rate and --concurrency exclude each other: a limit would hold back")
    if isnan(rate_per_s) or rate_per_s <= 0:
        raise ConfigError("--rate has to be above 0; `inf` sends everything at once")
    if not isinf(rate_per_s):
        return Poisson(rate_per_s, flags.get("burstiness", 1.0), ramp_s)
    if {"duration", "ramp", "burstiness"} & flags.keys():
        raise ConfigError("--rate inf sends all at once: it takes --num-requests, and no --ramp")
    return AllAtOnce()


def headers_of(flags: Mapping[str, Any]) -> dict[str, str]:
    """Raises ConfigError for a header that is not `Name: value`."""
    headers = {}
    if "api_key" in flags:
        headers["Authorization"] = f"Bearer {flags['api_key']}"
    for text in flags.get("header", ()):
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not text.isprintable():
            raise ConfigError(f"--header {text!r}: expected Name: value")
        headers[name.strip()] = value.strip()
    return headers


def _server_options() -> list[click.Parameter]:
    endpoints = click.Choice([endpoint.value for endpoint in Endpoint])
    return [
        click.Option(["--url"], required=True, help="Of the API, as http://127.0.0.1:8080/v1."),
        click.Option(["--model"], help="[default: the first that the server lists]"),
        click.Option(
            ["--api-key"], envvar=KEY_VARIABLE, help="Sent as a bearer token.", show_envvar=True
        ),
        click.Option(["--header"], multiple=True, metavar="NAME:VALUE", help="Repeatable."),
        click.Option(
            ["--endpoint"],
            type=endpoints,
            default="chat",
            show_default=True,
            help="Messages or text.",
        ),
    ]


def _load_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--rate"],
            type=float,
            metavar="PER_S",
            help="Open loop: Poisson arrivals a second; `inf` sends all at once.",
        ),
        click.Option(
            ["--concurrency"],
            type=POSITIVE,
            help="Closed loop: requests under way at any time.  [default: 1]",
        ),
        click.Option(
            ["--burstiness"],
            type=click.FloatRange(min=0.01, max=1000),
            help="Of arrivals: 1 is Poisson, less comes in bursts, more is regular.",
        ),
        click.Option(["--ramp"], metavar="SPAN", help="Reach the rate or concurrency slowly."),
        click.Option(["--num-requests"], type=POSITIVE, help=f"[default: {DEFAULT_NUM_REQUESTS}]"),
        click.Option(["--duration"], metavar="SPAN", help="Send for so long instead."),
        click.Option(
            ["--warmup"],
            type=click.IntRange(min=0),
            default=0,
            show_default=True,
            help="Requests before the measured ones, with other prompts.",
        ),
        click.Option(
            ["--timeout"],
            metavar="SPAN",
            default="10m",
            show_default=True,
            help="Of a request, from end to end.",
        ),
    ]


def _request_options() -> list[click.Parameter]:
    return [
        click.Option(
            ["--dataset"],
            default="synthetic:in=256,out=128",
            show_default=True,
            help="synthetic:in=N,out=N,spread=SHARE; "
            "shared-prefix:prefix=N,groups=N,in=N,out=N,spread=SHARE; "
            "jsonl:FILE,out=N.",
        ),
        click.Option(
            ["--seed"],
            type=int,
            default=0,
            show_default=True,
            help="Of prompts and arrivals. The same prompts again may hit a cache.",
        ),
        click.Option(["--temperature"], type=float, help="[default: the server's]"),
        click.Option(
            ["--ignore-eos"],
            is_flag=True,
            help="Ask for full-length replies; OpenAI itself does not know this field.",
        ),
        click.Option(
            ["--extra-body"],
            metavar="JSON",
            help="More fields of the request; null takes one away.",
        ),
        click.Option(
            ["--slo"], metavar="LIMITS", help="Goodput within ttft=500ms,itl=50ms,tpot=…,e2e=…"
        ),
    ]


def _report_options() -> list[click.Parameter]:
    return [
        click.Option(["--json"], type=FILE, help="Write the result, for `compare` and others."),
        click.Option(["--html"], type=FILE, help="Write a page with plots."),
    ]


def _without_password(url: str) -> str:
    """Raises ConfigError for what is no address of a web server, or has a name or password."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"--url {url}: expected http://HOST:PORT/v1")
    if "@" in parts.netloc:
        raise ConfigError("--url may hold no password: give it with --header")
    return urlunsplit(parts._replace(query="", fragment="")).rstrip("/")


def _extra_body(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ConfigError(f"--extra-body: {error}") from error
