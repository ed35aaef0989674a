"""StepMemory: the arrays of a step on the device, at addresses that graphs may remember.

Tokens, positions and slots are derived on the device; the rest is the header, sent up by the host.
A step of any width is a view of the first rows of each. Knows no requests.
"""

from __future__ import annotations

import numpy as np

from forge_worker.cuda.arena import Arena
from forge_worker.cuda.device import Device
from forge_worker.cuda.device_step import DeviceStep, SampledRows, StepShape
from forge_worker.cuda.step_header import HeaderArrays, HeaderLimits, StepHeader, header_bytes
from forge_worker.ops.protocol import Array


class StepMemory:
    def __init__(self, device: Device, arena: Arena, limits: HeaderLimits) -> None:
        self.max_tokens = max_tokens = limits.max_tokens
        self.header = StepHeader(device, arena.take((header_bytes(limits),), np.uint8), limits)
        self._token_ids = arena.take((max_tokens,), np.int32)
        self._positions = arena.take((max_tokens,), np.int32)
        self._slots = arena.take((max_tokens,), np.int64)

    @property
    def arrays(self) -> HeaderArrays:
        return self.header.arrays

    def step(self, shape: StepShape, block_tables: Array) -> DeviceStep:
        arrays = self.header.arrays
        return DeviceStep(
            shape=shape,
            counts=arrays.counts,
            token_ids=self._token_ids[: shape.num_tokens],
            positions=self._positions[: shape.num_tokens],
            slots=self._slots[: shape.num_tokens],
            sequence_rows=arrays.sequence_rows[: shape.num_sequences],
            query_starts=arrays.query_starts[: shape.num_sequences + 1],
            context_lens=arrays.context_lens[: shape.num_sequences],
            block_tables=block_tables,
            singles=arrays.singles[: shape.num_singles],
            tiles=arrays.tiles[: 2 * shape.num_tiles].reshape(shape.num_tiles, 2),
            logit_rows=arrays.logit_rows[: shape.num_logits],
        )

    def sampled_rows(self, num_rows: int) -> SampledRows:
        arrays = self.header.arrays
        return SampledRows(
            arrays.sample_rows[:num_rows],
            arrays.sample_lens[:num_rows],
            arrays.sample_assumed[:num_rows],
            arrays.sample_masks[:num_rows],
        )
