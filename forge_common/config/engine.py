"""Settings of what is computed, where, in which order: model, device, cache, batch, drafts, queue.

Each is stated once: its name, type, bounds, default and one line of help.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from forge_common.config.group import Settings, Text

CpuKernels = Literal["auto", "avx512-bf16", "avx512-vnni", "avx512", "avx2", "neon", "numpy"]
DtypeName = Literal["auto", "bfloat16", "float16", "float32"]
QuantizeName = Literal["none", "q8_0", "q6_k", "q5_k", "q4_k", "q4_0"]
KVDtypeName = Literal["auto", "float32", "bfloat16", "int8", "fp8", "fp8_e4m3"]


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
        Meta(
            description="Precision of KV; by default bfloat16 on a CPU, and as a GPU computes."
            " Int8 and fp8, E4M3, have a scale for each token and head; a GPU has these two alone."
        ),
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
