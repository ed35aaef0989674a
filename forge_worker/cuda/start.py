"""From settings to a model on a GPU: open, compile, plan, load, measure.

What CUDA and its libraries take is known once they are loaded, so that the plan is made here again,
from what the device says is left; its sizes are those the arena is cut by. Knows no sockets.
"""

from __future__ import annotations

import logging
import os
from collections.abc import MutableMapping
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from forge_common.backend import (
    ELEMENT_BYTES,
    BackendName,
    PrecisionName,
    choose_backend,
    choose_precision,
)
from forge_common.backend_memory import (
    blocks_of,
    format_text,
    weight_bytes,
)
from forge_common.checkpoint import Checkpoint, ModelConfig
from forge_common.config import BatchSettings, WorkerConfig
from forge_common.device_blocks import KeptBlocks
from forge_common.kv_format import DeviceKVName, device_block_bytes, device_kv_format
from forge_common.memory_plan import MemoryPlan, plan_memory
from forge_common.protocol.scheduler_worker import MAX_DRAFT_TOKENS, max_sampled_rows
from forge_worker.constraints import Constraints
from forge_worker.cuda.arena import Arena
from forge_worker.cuda.build import Site, build_runner
from forge_worker.cuda.cubin_cache import default_folder
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_check import open_device
from forge_worker.cuda.layout import EngineSizes, padding_bytes, workspace_parts
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.product_library import CublasLtLibrary, ProductLibrary
from forge_worker.grammar_engine import engine_for
from forge_worker.loaded_model import LoadedModel
from forge_worker.sequence_mirror import Limits
from forge_worker.weights.loader import OnProgress

GRAPH_BYTES = 256 * 2**20  # for the graphs that are recorded later
MIB = 2**20

logger = logging.getLogger(__name__)


class OpenedMemory(NamedTuple):
    """BackendMemory of a device that is open, to the byte."""

    device: Device
    checkpoint: Checkpoint
    block_size: int | None  # None: a block is a whole context
    is_deterministic: bool
    precision: PrecisionName
    available_bytes: int
    blocks: KeptBlocks
    kv: DeviceKVName
    reserved_bytes: int = GRAPH_BYTES
    backend: BackendName = "cuda"
    reserved_for: str = "graphs"

    @property
    def name(self) -> str:
        return self.device.info.name

    @property
    def weight_format(self) -> str:
        return format_text(self.precision, self.blocks)

    def weight_bytes(self, checkpoint: Checkpoint) -> int:
        return weight_bytes(checkpoint, self.precision, self.blocks)

    def block_bytes(self, config: ModelConfig, block_size: int) -> int:
        return device_block_bytes(config, block_size, self.kv, ELEMENT_BYTES[self.precision])

    def workspace_bytes(self, config: ModelConfig, batch: BatchSettings, length: int) -> int:
        block_size = self.block_size or length
        limits = limits_of(config, batch, Shape(length, block_size, num_blocks=0))
        sizes = EngineSizes(
            config,
            Precision(self.precision),
            limits,
            max_tokens_of(batch),
            self.is_deterministic,
            self.blocks,
            self.kv,
        )
        return workspace_parts(sizes, self.device.info).num_bytes + padding_bytes(self.checkpoint)

    def kv_room_bytes(self, free_bytes: int) -> int:
        return free_bytes

    def default_kv_tokens(self, batch: BatchSettings, length: int) -> int | None:
        return None


class Shape(NamedTuple):
    max_model_len: int
    block_size: int
    num_blocks: int


def load_on_gpu(config: WorkerConfig, path: Path, on_progress: OnProgress) -> LoadedModel:
    """DeviceError, ModelError or ConfigError, one sentence each."""
    prepare_environment(os.environ)
    folder = default_folder(os.environ)
    gpu = choose_backend(config.device).gpu
    device = open_device(config.device.device, folder)
    free_before = device.free_bytes() if gpu is None else gpu.free_bytes
    library = CublasLtLibrary(device, folder)
    return load_on(device, library, config, path, on_progress, free_before)


def prepare_environment(environment: MutableMapping[str, str]) -> None:
    """GPUs are counted as the launcher counted them."""
    environment.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")


def load_on(
    device: Device,
    library: ProductLibrary,
    config: WorkerConfig,
    path: Path,
    on_progress: OnProgress,
    free_before: int,
) -> LoadedModel:
    """`free_before`: bytes that were free on the device before anything of Forge was there."""
    started = perf_counter()
    with Checkpoint.open(path) as checkpoint:
        memory = _memory(device, config, checkpoint, free_before)
        plan = plan_memory(
            checkpoint, config.cache, config.batch, config.model.max_model_len, memory
        )
        shape = Shape(plan.max_model_len, plan.block_size, plan.num_blocks)
        limits = limits_of(checkpoint.config, config.batch, shape)
        sizes = EngineSizes(
            checkpoint.config,
            Precision(plan.precision),
            limits,
            max_tokens_of(config.batch),
            config.device.deterministic,
            memory.blocks,
            memory.kv,
        )
    library.compile_ahead(sizes)
    arena = Arena(device, plan.weights_bytes + plan.workspace_bytes + plan.kv_bytes)
    constraints = Constraints(engine_for(path))
    runner = build_runner(Site(device, sizes, arena), library, path, constraints, on_progress)
    _log(device, plan, perf_counter() - started, free_before)
    return LoadedModel(runner, limits)


def limits_of(config: ModelConfig, batch: BatchSettings, shape: Shape) -> Limits:
    return Limits(
        max_batch_size=batch.max_batch_size,
        max_model_len=shape.max_model_len,
        block_size=shape.block_size,
        num_blocks=shape.num_blocks,
        vocab_size=config.vocab_size,
        max_draft_tokens=MAX_DRAFT_TOKENS,
    )


def max_tokens_of(batch: BatchSettings) -> int:
    """The widest graph must fit as well as the longest chunk."""
    return max(batch.max_prefill_tokens, max_sampled_rows(batch.max_batch_size))


def _memory(
    device: Device, config: WorkerConfig, checkpoint: Checkpoint, free_before: int
) -> OpenedMemory:
    """The share of the device that may be used, less what CUDA itself took of it."""
    free_bytes = device.free_bytes()
    share = int(device.info.total_bytes * config.device.gpu_memory_utilization)
    backend = choose_backend(config.device)
    precision = choose_precision(config.device, backend, checkpoint)
    is_paged = config.cache.kv_cache == "paged"
    return OpenedMemory(
        device=device,
        checkpoint=checkpoint,
        block_size=config.cache.block_size if is_paged else None,
        is_deterministic=config.device.deterministic,
        precision=precision,
        available_bytes=min(share - (free_before - free_bytes), free_bytes),
        blocks=blocks_of(checkpoint, config.device, precision),
        kv=device_kv_format(config.device),
    )


def _log(device: Device, plan: MemoryPlan, seconds: float, free_before: int) -> None:
    used_bytes = free_before - device.free_bytes()
    logger.info(
        "%s: %d MiB in use, %d of them KV blocks, %d planned; loaded in %.2f s",
        device.info.name,
        used_bytes // MIB,
        plan.kv_bytes // MIB,
        (plan.needed_bytes - plan.reserved_bytes) // MIB,
        seconds,
    )
