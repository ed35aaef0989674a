"""Every setting of Forge, stated once: its name, type, bounds, default and one line of help.

Settings stand in small groups; a role's config is the groups that role needs, so no process sees
what it does not use. Command-line flags (`--max-batch-size`), environment variables
(`FORGE_MAX_BATCH_SIZE`), the TOML file (`[batch] max_batch_size`) and the docs page are derived
from here by `settings.py`. Frozen, and never written after start. Knows no argv and no socket.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Port = Annotated[int, Meta(ge=0, le=65535)]
# Empty is what a shell makes of a variable that is not set: an empty key would let everybody in, an
# empty path or host would stand for another one than was meant.
Text = Annotated[str, Meta(min_length=1)]
CpuKernels = Literal["auto", "avx512-bf16", "avx512-vnni", "avx512", "avx2", "neon", "numpy"]
DtypeName = Literal["auto", "bfloat16", "float16", "float32"]
QuantizeName = Literal["none", "q8_0", "q6_k", "q5_k", "q4_k", "q4_0"]
KVDtypeName = Literal["auto", "float32", "bfloat16", "int8"]


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One group of settings."""


class ModelSettings(Settings, frozen=True):
    model_path: Annotated[
        Text | None,
        Meta(description="HuggingFace model directory or GGUF file; none means the demo model."),
    ] = None
    served_model_name: Annotated[
        Text | None,
        Meta(description="Name in /v1/models; by default that of the model directory or file."),
    ] = None
    max_model_len: Annotated[
        Annotated[int, Meta(ge=1, le=2**24)] | None,
        Meta(
            description="Longest prompt + output in tokens; by default what the model was made for."
        ),
    ] = None


class DeviceSettings(Settings, frozen=True):
    backend: Annotated[
        Literal["auto", "cuda", "cpu"], Meta(description="Where the model runs.")
    ] = "auto"
    device: Annotated[int, Meta(ge=0, le=63, description="Index of the CUDA device.")] = 0
    dtype: Annotated[
        DtypeName,
        Meta(
            description="Precision of weights; by default as the files have it, by half on a GPU."
        ),
    ] = "auto"
    quantize: Annotated[
        QuantizeName,
        Meta(
            description="Narrower weights, made at load, on a CPU: ggml's formats of 8 to 4 bits."
        ),
    ] = "none"
    gpu_memory_utilization: Annotated[
        float,
        Meta(gt=0, le=1, description="Share of the GPU's memory to use, KV blocks included."),
    ] = 0.9
    deterministic: Annotated[
        bool,
        Meta(description="On a GPU, let no result depend on what else is in the batch; slower."),
    ] = False
    kv_dtype: Annotated[
        KVDtypeName,
        Meta(description="Precision of KV on a CPU; by default bfloat16, as native kernels do."),
    ] = "auto"
    cpu_kernels: Annotated[
        CpuKernels,
        Meta(description="Instructions a CPU computes with; by default the best it has."),
    ] = "auto"
    threads: Annotated[
        Annotated[int, Meta(ge=1, le=1024)] | None,
        Meta(description="CPU threads of the worker; by default every core it may use."),
    ] = None
    cpu_affinity: Annotated[
        Text | None,
        Meta(description="Cores the worker keeps to, such as 0-3,8; by default all it may use."),
    ] = None


class CacheSettings(Settings, frozen=True):
    kv_cache: Annotated[
        Literal["paged", "naive"],
        Meta(description="Paged blocks with prefix caching, or one contiguous region a sequence."),
    ] = "paged"
    block_size: Annotated[int, Meta(ge=1, le=1024, description="Tokens in a KV block.")] = 16
    num_blocks: Annotated[
        Annotated[int, Meta(ge=1, lt=2**31)] | None,
        Meta(description="KV blocks; by default what kv_cache_memory_gib holds."),
    ] = None
    kv_cache_memory_gib: Annotated[
        Annotated[float, Meta(gt=0, le=4096)] | None,
        Meta(description="Memory for KV blocks in GiB; by default a share of what is free."),
    ] = None
    prefix_caching: Annotated[
        bool, Meta(description="Reuse the KV blocks of prompts that begin alike.")
    ] = True


class BatchSettings(Settings, frozen=True):
    max_batch_size: Annotated[
        int, Meta(ge=1, le=4096, description="Sequences that run at the same time.")
    ] = 256
    max_prefill_tokens: Annotated[
        int,
        Meta(ge=1, le=2**20, description="Token budget of one step: longer prompts run in chunks."),
    ] = 4096
    overlap: Annotated[
        bool, Meta(description="Send a step to the worker before the one ahead of it was read.")
    ] = True
    step_timeout_s: Annotated[
        Annotated[float, Meta(gt=0, le=86400)] | None,
        Meta(
            description="Longest step before the worker is replaced; by default learnt from others."
        ),
    ] = None


class SpeculationSettings(Settings, frozen=True):
    speculative: Annotated[
        Literal["ngram", "off"],
        Meta(
            description="Draft what was said before or a grammar forces; the text stays the same."
        ),
    ] = "ngram"
    max_draft_tokens: Annotated[
        int, Meta(ge=1, le=64, description="Most tokens drafted for a sequence in a step.")
    ] = 15


class QueueSettings(Settings, frozen=True):
    policy: Annotated[
        Literal["fcfs", "priority"],
        Meta(
            description="Keys in turn, the oldest request of each; or by priority number, then so."
        ),
    ] = "fcfs"
    max_queued_requests: Annotated[
        int, Meta(ge=1, le=2**20, description="Waiting requests beyond which new ones get a 429.")
    ] = 1024
    max_queued_tokens: Annotated[
        int,
        Meta(
            ge=1, le=2**31, description="Waiting prompt tokens beyond which new requests get a 429."
        ),
    ] = 1_000_000
    max_grammar_bytes: Annotated[
        int,
        Meta(
            ge=1,
            le=2**40,
            description="Bytes of grammars that wait or run beyond which new ones get a 429.",
        ),
    ] = 2**28


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


class ApiConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: ModelSettings = ModelSettings()
    http: HttpSettings = HttpSettings()
    links: LinkSettings = LinkSettings()
    launch: LaunchSettings = LaunchSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()


class SchedulerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    cache: CacheSettings = CacheSettings()
    batch: BatchSettings = BatchSettings()
    speculation: SpeculationSettings = SpeculationSettings()
    queue: QueueSettings = QueueSettings()
    links: LinkSettings = LinkSettings()
    log: LogSettings = LogSettings()


class WorkerConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    model: ModelSettings = ModelSettings()
    device: DeviceSettings = DeviceSettings()
    cache: CacheSettings = CacheSettings()
    batch: BatchSettings = BatchSettings()
    links: LinkSettings = LinkSettings()
    log: LogSettings = LogSettings()


class LaunchConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything; `forge-launch` hands each role its part."""

    model: ModelSettings = ModelSettings()
    device: DeviceSettings = DeviceSettings()
    cache: CacheSettings = CacheSettings()
    batch: BatchSettings = BatchSettings()
    speculation: SpeculationSettings = SpeculationSettings()
    queue: QueueSettings = QueueSettings()
    http: HttpSettings = HttpSettings()
    links: LinkSettings = LinkSettings()
    launch: LaunchSettings = LaunchSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    log: LogSettings = LogSettings()
