"""Settings of how it is served: HTTP, links between processes, logs, spans, launch.

Each is stated once: its name, type, bounds, default and one line of help.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from forge_common.config.group import Settings, Text

Port = Annotated[int, Meta(ge=0, le=65535)]


class HttpSettings(Settings, frozen=True):
    host: Annotated[Text, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on; 0 takes a free one.")] = 8080
    api_workers: Annotated[
        int, Meta(ge=1, le=64, description="API processes that share the port.")
    ] = 1
    api_key: Annotated[
        tuple[Text, ...],
        Meta(
            description="Key clients must send as a bearer token; may be repeated.",
            extra={"is_secret": True},
        ),
    ] = ()
    api_keys_file: Annotated[
        Text | None,
        Meta(description="TOML file of keys with names and limits; read again on SIGHUP."),
    ] = None
    admin_key: Annotated[
        Text | None,
        Meta(
            description="Key that also opens /forge/v1/admin; without one nothing does.",
            extra={"is_secret": True},
        ),
    ] = None
    ssl_certfile: Annotated[
        Text | None,
        Meta(description="PEM certificate chain: serve HTTPS. Read again on SIGHUP."),
    ] = None
    ssl_keyfile: Annotated[
        Text | None, Meta(description="PEM key of it; by default it is in the same file.")
    ] = None
    ssl_ca_certs: Annotated[
        Text | None,
        Meta(description="PEM certificates; clients then need one that these have signed."),
    ] = None
    cors_allow_origin: Annotated[
        tuple[Text, ...],
        Meta(description="Origin whose web pages may call the API, or *; may be repeated."),
    ] = ()
    middleware: Annotated[
        tuple[Text, ...],
        Meta(description="Your own step of the pipeline, package.module:factory; may be repeated."),
    ] = ()
    strict_params: Annotated[
        bool, Meta(description="Refuse fields nobody knows instead of naming them in the reply.")
    ] = False
    max_body_bytes: Annotated[int, Meta(ge=1024, le=2**30, description="Largest request body.")] = (
        16 * 2**20
    )
    tool_call_parser: Annotated[
        Literal["auto", "hermes", "llama3_json", "pythonic", "mistral", "phi4", "gemma3", "none"],
        Meta(description="How the model writes tool calls; by default as its template shows."),
    ] = "auto"
    reasoning_parser: Annotated[
        Literal["auto", "think", "none"],
        Meta(
            description="How the model marks thoughts; by default `<think>` if its template has it."
        ),
    ] = "auto"
    web_page: Annotated[
        bool, Meta(description="Serve the playground and the live status page at /.")
    ] = True
    metrics_compat: Annotated[
        Literal["none", "vllm"],
        Meta(description="Also export metrics under vLLM's names."),
    ] = "vllm"

    @property
    def has_files_to_reload(self) -> bool:
        """Keys or certificates, which SIGHUP has read again."""
        return self.api_keys_file is not None or self.ssl_certfile is not None


class LinkSettings(Settings, frozen=True):
    client_endpoint: Annotated[
        Text | None, Meta(description="Where the scheduler meets API processes and ZMQ clients.")
    ] = None
    worker_endpoint: Annotated[
        Text | None, Meta(description="Where the scheduler meets its worker.")
    ] = None
    curve_keys: Annotated[
        Text | None,
        Meta(description="Directory of keys for tcp endpoints, made by `forge-launch keys`."),
    ] = None


class LogSettings(Settings, frozen=True):
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Meta(description="Least severity that is logged."),
    ] = "info"
    log_format: Annotated[
        Literal["text", "json"],
        Meta(description="Lines for people, or a JSON object a line."),
    ] = "text"


class TelemetrySettings(Settings, frozen=True):
    otlp_endpoint: Annotated[
        Text | None,
        Meta(description="OpenTelemetry collector that spans are sent to; by default none are."),
    ] = None


class LaunchSettings(Settings, frozen=True):
    run_dir: Annotated[
        Text | None,
        Meta(description="Private directory for sockets; by default a new temporary one."),
    ] = None
    start_timeout_s: Annotated[
        float, Meta(gt=0, le=86400, description="How long a process may take to become ready.")
    ] = 600.0
    drain_timeout_s: Annotated[
        float,
        Meta(ge=0, le=86400, description="How long running requests may go on after SIGTERM."),
    ] = 30.0
    max_restarts: Annotated[
        int,
        Meta(
            ge=0,
            le=10**6,
            description="How often each process that ends is started again, within the window.",
        ),
    ] = 5
    restart_window_s: Annotated[
        float, Meta(gt=0, le=86400, description="The time after which a restart is forgotten.")
    ] = 600.0
    hang_timeout_s: Annotated[
        float,
        Meta(
            ge=0,
            le=86400,
            description="Kill a scheduler or API process that stands still this long; 0 is never.",
        ),
    ] = 10.0
