"""What the arena of one model on one device holds beside its weights and KV blocks, to the byte.

The worker cuts its arena by these numbers, and its plan adds them up: what is left is KV blocks.
Knows sizes, not addresses.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_common.checkpoint import Checkpoint, ModelConfig
from forge_common.device_blocks import NO_BLOCKS, KeptBlocks
from forge_common.device_workspace import (
    ALIGNMENT,
    GEMM_WORKSPACE_BYTES,
    StepLimits,
    activations,
    aligned,
    rotation_table_bytes,
)
from forge_common.kv_format import DeviceKVName
from forge_worker.cuda.attention import workspace_bytes
from forge_worker.cuda.attention_plan import (
    AttentionGeometry,
    AttentionPlanner,
    tile_shape,
    uses_tensor_cores,
)
from forge_worker.cuda.attention_split import AttentionLimits, whole_steps
from forge_worker.cuda.device import DeviceInfo
from forge_worker.cuda.device_tables import table_bytes
from forge_worker.cuda.kv_tiles import KVTiles
from forge_worker.cuda.precision import Precision
from forge_worker.cuda.sampler import sampler_bytes
from forge_worker.cuda.step_header import HeaderLimits, header_bytes
from forge_worker.cuda.step_results import ResultLimits, result_bytes
from forge_worker.sequence_mirror import Limits


class EngineSizes(NamedTuple):
    config: ModelConfig
    precision: Precision
    limits: Limits
    max_tokens: int  # of a step; not less than there may be rows that are sampled
    is_deterministic: bool
    blocks: KeptBlocks = NO_BLOCKS
    kv: DeviceKVName = "computed"

    @property
    def kv_tiles(self) -> KVTiles:
        return self.geometry.tiles(self.precision)

    @property
    def step_limits(self) -> StepLimits:
        limits = self.limits
        return StepLimits(
            self.max_tokens, limits.max_batch_size, limits.max_model_len, limits.max_sampled_rows
        )

    @property
    def geometry(self) -> AttentionGeometry:
        config = self.config
        return AttentionGeometry(
            config.num_heads,
            config.num_kv_heads,
            config.head_dim,
            self.limits.block_size,
            config.attention_scale,
            config.attention_softcap,
            self.kv,
        )

    @property
    def attention_limits(self) -> AttentionLimits:
        """Where tensor cores cannot be used, every token of a chunk attends on its own."""
        has_tiles = uses_tensor_cores(self.precision, self.geometry)
        max_rows = self.limits.max_batch_size if has_tiles else self.max_tokens
        length = self.limits.max_model_len
        return AttentionLimits(
            max_rows, length, whole_steps(length) if self.is_deterministic else None
        )

    @property
    def attention_planner(self) -> AttentionPlanner:
        """A token's bits depend on how its context is gone through, so that, to be the same
        decoded, in any chunk, or computed anew, it must always be gone through the same way."""
        return AttentionPlanner(self.geometry, has_singles=not self.is_deterministic)

    @property
    def header_limits(self) -> HeaderLimits:
        """A graph with drafts has room for a tile a row."""
        max_sampled = self.limits.max_sampled_rows
        max_tiles = self.max_tokens // tile_shape(self.geometry).queries + max_sampled
        return HeaderLimits(self.limits.max_batch_size, self.max_tokens, max_tiles, max_sampled)

    @property
    def result_limits(self) -> ResultLimits:
        return ResultLimits(self.limits.max_sampled_rows, self.max_tokens)


class WorkspaceParts(NamedTuple):
    """Bytes each."""

    activations: int
    rotation: int
    attention: int
    gemm: int
    tables: int
    sampling: int
    step: int  # header, tokens, positions and slots
    results: int
    dequantised: int  # a weight in blocks, widened

    @property
    def num_bytes(self) -> int:
        return sum(self)


def workspace_parts(sizes: EngineSizes, info: DeviceInfo) -> WorkspaceParts:
    config, limits, num_tokens = sizes.config, sizes.limits, sizes.max_tokens
    step_limits, rows = sizes.step_limits, limits.max_sampled_rows
    token_bytes = 2 * aligned(4 * num_tokens) + aligned(8 * num_tokens)
    return WorkspaceParts(
        activations=sum(activations(config, step_limits, sizes.precision.element_bytes)),
        rotation=rotation_table_bytes(config, step_limits),
        attention=aligned(
            workspace_bytes(info, sizes.precision, sizes.geometry, sizes.attention_limits)
        ),
        gemm=GEMM_WORKSPACE_BYTES,
        tables=aligned(table_bytes(limits)),
        sampling=aligned(sampler_bytes(rows, config.vocab_size)),
        step=aligned(header_bytes(sizes.header_limits)) + token_bytes,
        results=sum(map(aligned, result_bytes(sizes.result_limits))),
        dequantised=aligned(sizes.precision.element_bytes * sizes.blocks.largest_elements),
    )


def padding_bytes(checkpoint: Checkpoint) -> int:
    """The most that lies between weights and between KV arrays, each at an aligned address."""
    num_arrays = len(checkpoint.tensors) + 2 * checkpoint.config.num_layers
    return ALIGNMENT * num_arrays
