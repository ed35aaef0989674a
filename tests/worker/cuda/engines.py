"""A model on the device of a test, built as the worker builds it, and driven by messages."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from forge_common.backend_memory import weight_bytes
from forge_common.checkpoint import Checkpoint
from forge_common.kv_format import device_block_bytes
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.constraints import Constraints
from forge_worker.cuda.arena import Arena
from forge_worker.cuda.build import Site, build_runner
from forge_worker.cuda.device import Device
from forge_worker.cuda.gemm import Gemm
from forge_worker.cuda.layout import EngineSizes, padding_bytes, workspace_parts
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.runner import CudaRunner
from forge_worker.ops.protocol import Array
from forge_worker.sequence_mirror import Limits
from tests.worker.cuda.gemms import gemm_on
from tests.worker.fakes import LIMITS, no_grammars

MAX_TOKENS = 64


class Engine(NamedTuple):
    runner: CudaRunner
    arena: Arena

    def run(self, batch: RunBatch) -> BatchOutput:
        """Launch, and wait for the answer: what ModelRunner.run is."""
        self.runner.launch(batch)
        outputs: list[BatchOutput] = []
        while not outputs:
            outputs = self.runner.finished()
        (output,) = outputs
        return output


class PlainLibrary(NamedTuple):
    """A ProductLibrary with nothing to compile ahead and nothing to measure."""

    device: Device

    def compile_ahead(self, sizes: EngineSizes) -> None:
        pass

    def gemm(self, sizes: EngineSizes, workspace: Array) -> Gemm:
        is_deterministic = sizes.is_deterministic
        return gemm_on(self.device, sizes.precision, workspace, is_deterministic=is_deterministic)

    def prepare(self, sizes: EngineSizes, scratch: Array) -> None:
        self.device.fill_zero(scratch)  # it may be written to


def sizes_of(
    path: Path,
    precision: Precision,
    limits: Limits = LIMITS,
    *,
    is_deterministic: bool = False,
    max_tokens: int = MAX_TOKENS,
) -> EngineSizes:
    with Checkpoint.open(path) as checkpoint:
        config = checkpoint.config
    limits = limits._replace(vocab_size=config.vocab_size)
    return EngineSizes(config, precision, limits, max_tokens, is_deterministic)


def engine_of(
    device: Device, path: Path, sizes: EngineSizes, constraints: Constraints | None = None
) -> Engine:
    """In an arena that is exactly as large as the plan says."""
    arena = Arena(device, arena_bytes(device, path, sizes))
    site = Site(device, sizes, arena)
    library = PlainLibrary(device)
    grammars = constraints or no_grammars()
    runner = build_runner(site, library, path, grammars, lambda done, total: None)
    return Engine(runner, arena)


def arena_bytes(device: Device, path: Path, sizes: EngineSizes) -> int:
    limits, name = sizes.limits, sizes.precision.value
    with Checkpoint.open(path) as checkpoint:
        weights = weight_bytes(checkpoint, name, sizes.blocks) + padding_bytes(checkpoint)
    workspace = workspace_parts(sizes, device.info).num_bytes
    element_bytes = sizes.precision.element_bytes
    block_bytes = device_block_bytes(sizes.config, limits.block_size, sizes.kv, element_bytes)
    return weights + workspace + limits.num_blocks * block_bytes
