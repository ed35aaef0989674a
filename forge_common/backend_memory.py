"""Where a model's memory comes from, and what one step needs of it: the host's, or a GPU's.

A plan is the same arithmetic for both; what differs stands here: the width of a number, what is
kept back for others, the workspace of a step, and how much of the rest KV blocks may take. Knows
no files and allocates nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

from forge_common.backend import (
    ELEMENT_BYTES,
    Backend,
    BackendName,
    PrecisionName,
    choose_precision,
)
from forge_common.checkpoint import Checkpoint, ModelConfig, TensorInfo
from forge_common.config import BatchSettings, DeviceSettings
from forge_common.device_blocks import NO_BLOCKS, KeptBlocks, block_bytes, kept_blocks
from forge_common.device_workspace import StepLimits, aligned, workspace_bytes
from forge_common.errors import DeviceError
from forge_common.host_memory import available_memory_bytes
from forge_common.kv_format import (
    DeviceKVName,
    KVFormatName,
    device_block_bytes,
    device_kv_format,
    host_kv_format,
    native_block_bytes,
)
from forge_common.protocol.scheduler_worker import max_sampled_rows
from forge_common.weight_format import WeightChoice, host_weights

MIB = 2**20
TOKENS_PER_SEQUENCE = 1024
KV_SHARE = 2  # on the host, KV blocks take at most one part in this many of what is free for them
QUERIES_PER_TILE = 256
LOGIT_COPIES = 4  # raw, processed, sorted, and the order that sorts them


class BackendMemory(Protocol):
    @property
    def backend(self) -> BackendName: ...

    @property
    def name(self) -> str: ...

    @property
    def precision(self) -> PrecisionName: ...

    @property
    def available_bytes(self) -> int: ...

    @property
    def reserved_bytes(self) -> int:
        """For what is neither weights, workspace nor KV blocks."""

    @property
    def reserved_for(self) -> str: ...

    @property
    def weight_format(self) -> str:
        """What weights are kept as, for a person."""

    def weight_bytes(self, checkpoint: Checkpoint) -> int:
        """Of all tensors, but an output projection that repeats the embedding."""

    def block_bytes(self, config: ModelConfig, block_size: int) -> int:
        """Keys and values of all layers, of `block_size` tokens."""

    def workspace_bytes(self, config: ModelConfig, batch: BatchSettings, length: int) -> int:
        """The most a step holds beside weights and KV, with contexts of up to `length` tokens."""

    def kv_room_bytes(self, free_bytes: int) -> int:
        """How much of `free_bytes` KV blocks may take where no setting says it."""

    def default_kv_tokens(self, batch: BatchSettings, length: int) -> int | None:
        """How many tokens are enough where no setting says it; None for as many as fit."""


class HostMemory(NamedTuple):
    """Float32 but for weights, and a good half of what is free left to everybody else."""

    available_bytes: int
    choice: WeightChoice = WeightChoice("float32", "none")
    kv_format: KVFormatName | None = None  # of native kernels
    backend: BackendName = "cpu"
    name: str = "the host"
    precision: PrecisionName = "float32"
    reserved_bytes: int = 256 * MIB
    reserved_for: str = "the interpreters and their queues"

    @property
    def weight_format(self) -> str:
        return self.choice.text

    def weight_bytes(self, checkpoint: Checkpoint) -> int:
        return sum(self.choice.num_bytes(tensor) for tensor in kept_tensors(checkpoint))

    def block_bytes(self, config: ModelConfig, block_size: int) -> int:
        if self.kv_format is None:
            return block_size * kv_bytes_per_token(config)
        return native_block_bytes(config, block_size, self.kv_format)

    def workspace_bytes(self, config: ModelConfig, batch: BatchSettings, length: int) -> int:
        """Activations, attention, logits."""
        num_tokens = batch.max_prefill_tokens
        num_scored = min(num_tokens, length)
        heads = config.num_heads + 2 * config.num_kv_heads
        widths = 4 * config.hidden_size + 2 * heads * config.head_dim + 3 * config.intermediate_size
        scores = config.num_heads * min(num_scored, QUERIES_PER_TILE) + num_scored
        gathered = 2 * config.num_kv_heads * config.head_dim
        logits = LOGIT_COPIES * batch.max_batch_size * config.vocab_size
        elements = num_tokens * widths + length * (scores + gathered) + logits
        return elements * ELEMENT_BYTES[self.precision]

    def kv_room_bytes(self, free_bytes: int) -> int:
        return free_bytes // KV_SHARE

    def default_kv_tokens(self, batch: BatchSettings, length: int) -> int | None:
        return batch.max_batch_size * min(length, TOKENS_PER_SEQUENCE)


class DeviceMemory(NamedTuple):
    """A share of one GPU, used up: what weights and workspace leave becomes KV blocks."""

    name: str
    precision: PrecisionName
    available_bytes: int
    reserved_bytes: int
    blocks: KeptBlocks = NO_BLOCKS
    kv: DeviceKVName = "computed"
    backend: BackendName = "cuda"
    reserved_for: str = "CUDA's context, our kernels and graphs"

    @property
    def weight_format(self) -> str:
        return format_text(self.precision, self.blocks)

    def weight_bytes(self, checkpoint: Checkpoint) -> int:
        return weight_bytes(checkpoint, self.precision, self.blocks)

    def block_bytes(self, config: ModelConfig, block_size: int) -> int:
        return device_block_bytes(config, block_size, self.kv, ELEMENT_BYTES[self.precision])

    def workspace_bytes(self, config: ModelConfig, batch: BatchSettings, length: int) -> int:
        num_rows = max_sampled_rows(batch.max_batch_size)
        num_tokens = max(batch.max_prefill_tokens, num_rows)
        limits = StepLimits(num_tokens, batch.max_batch_size, length, num_rows)
        element_bytes = ELEMENT_BYTES[self.precision]
        dequantised_bytes = aligned(element_bytes * self.blocks.largest_elements)
        return workspace_bytes(config, limits, element_bytes) + dequantised_bytes

    def kv_room_bytes(self, free_bytes: int) -> int:
        return free_bytes

    def default_kv_tokens(self, batch: BatchSettings, length: int) -> int | None:
        return None


def kv_bytes_per_token(config: ModelConfig, precision: PrecisionName = "float32") -> int:
    """A key and a value in every layer."""
    per_layer = 2 * config.num_kv_heads * config.head_dim
    return config.num_layers * per_layer * ELEMENT_BYTES[precision]


def kept_tensors(checkpoint: Checkpoint) -> list[TensorInfo]:
    is_tied = checkpoint.config.tie_word_embeddings
    return [
        tensor
        for name, tensor in checkpoint.tensors.items()
        if not (is_tied and name == "lm_head.weight")
    ]


def weight_bytes(
    checkpoint: Checkpoint, precision: PrecisionName, blocks: KeptBlocks = NO_BLOCKS
) -> int:
    """All in one precision, but norms in float32, and what is kept in blocks."""
    return sum(
        block_bytes(tensor)
        if tensor.name in blocks.tensors
        else math.prod(tensor.shape) * ELEMENT_BYTES["float32" if is_norm(tensor) else precision]
        for tensor in kept_tensors(checkpoint)
    )


def blocks_of(
    checkpoint: Checkpoint, settings: DeviceSettings, precision: PrecisionName
) -> KeptBlocks:
    """What a GPU keeps in blocks: nothing where `--dtype` says a precision."""
    is_widened = settings.dtype != "auto" or precision == "float32"
    return NO_BLOCKS if is_widened else kept_blocks(kept_tensors(checkpoint))


def format_text(precision: PrecisionName, blocks: KeptBlocks) -> str:
    return " and ".join([precision, *([", ".join(blocks.formats)] if blocks.formats else [])])


def is_norm(tensor: TensorInfo) -> bool:
    """All families name them so."""
    return tensor.name.endswith("norm.weight")


# A CUDA context with cublasLt loaded, and graphs for every size of batch, before any is there to
# be measured; a worker replaces it by what its device says once all but the graphs is loaded.
EXPECTED_OVERHEAD_BYTES = 1024 * MIB


def memory_of(settings: DeviceSettings, backend: Backend, checkpoint: Checkpoint) -> BackendMemory:
    """What is there to plan with, before anything is started. DeviceError where no GPU answers."""
    if backend.name == "cpu":
        return HostMemory(
            available_memory_bytes(), host_weights(settings), host_kv_format(settings)
        )
    gpu = backend.gpu
    if gpu is None:
        raise DeviceError(
            f"--backend cuda: no NVIDIA driver answers for device {settings.device};"
            " see `nvidia-smi`, or use --backend cpu"
        )
    precision = choose_precision(settings, backend, checkpoint)
    share_bytes = int(gpu.total_bytes * settings.gpu_memory_utilization)
    return DeviceMemory(
        name=gpu.name,
        precision=precision,
        available_bytes=min(share_bytes, gpu.free_bytes),
        reserved_bytes=EXPECTED_OVERHEAD_BYTES,
        blocks=blocks_of(checkpoint, settings, precision),
        kv=device_kv_format(settings),
    )
