"""StepHeader: what the host says of a step, packed into one array and sent up as one copy.

    counts │ sequence_rows │ context_lens │ query_starts │ singles │ sample_rows │ sample_lens
           │ sample_assumed │ sample_masks │ sample_entries │ logit_rows │ scored_tokens
           │ scored_entries │ tiles

Each section has its own fixed address, so that graphs find it; a step that only decodes sends the
front part alone. What a token is, its position and its slot are not here: the device derives them
from its own tables. Knows indices, not tokens.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.device_workspace import aligned
from forge_worker.cuda.device import Device
from forge_worker.cuda.pinned_ring import PinnedRing
from forge_worker.ops.protocol import Array

INT_BYTES = 4
NUM_COUNTS = 4
NUM_BUFFERS = 4  # more than the steps that are ever in flight


class HeaderLimits(NamedTuple):
    max_sequences: int
    max_tokens: int
    max_tiles: int
    max_sampled: int  # rows; not less than sequences


class HeaderArrays(NamedTuple):
    """One array a section, int32; on the host what is used of it, on the device all of it."""

    counts: Array  # [4]: live tokens, live sequences, live sampling rows, unused
    sequence_rows: Array  # [num_sequences]
    context_lens: Array  # [num_sequences]
    query_starts: Array  # [num_sequences + 1]
    singles: Array  # [num_singles]
    sample_rows: Array  # [num_sampled], rows of the tables
    sample_lens: Array  # [num_sampled], tokens before each, drafts among them
    sample_assumed: Array  # [num_sampled], how many of those are drafts
    sample_masks: Array  # [num_sampled], rows of the table of masks
    sample_entries: Array  # [num_sampled], how many logprobs each wants
    logit_rows: Array  # [num_logits]
    scored_tokens: Array  # [num_scored], the prompt tokens whose logprobs are asked for
    scored_entries: Array  # [num_scored], how many logprobs each wants
    tiles: Array  # [2 * num_tiles]


def header_bytes(limits: HeaderLimits) -> int:
    return sum(aligned(INT_BYTES * capacity) for capacity in _capacities(limits))


class StepHeader:
    def __init__(self, device: Device, memory: Array, limits: HeaderLimits) -> None:
        """`memory`: uint8 [header_bytes(limits)] on the device. Zeroed, because a graph's padding
        reads indices that no step may have sent yet."""
        device.fill_zero(memory)
        self._device = device
        self._memory = memory.view(np.int32)
        self._capacities = _capacities(limits)
        self._ring = PinnedRing(device, header_bytes(limits), NUM_BUFFERS)
        self.arrays = HeaderArrays(*self._cut(self._memory))

    def upload(self, sections: HeaderArrays) -> None:
        """Queue the copy of `sections`, NumPy arrays no longer than the limits say."""
        pinned = self._ring.take().view(np.int32)
        end = 0
        for place, start, section in zip(self._cut(pinned), self._starts(), sections, strict=True):
            place[: len(section)] = section
            end = start + len(section) if len(section) else end
        self._device.upload(self._memory[:end], pinned[:end])
        self._ring.release()

    def _starts(self) -> list[int]:
        sizes = [aligned(INT_BYTES * capacity) // INT_BYTES for capacity in self._capacities]
        return [sum(sizes[:index]) for index in range(len(sizes))]

    def _cut(self, values: Array) -> list[Array]:
        starts = self._starts()
        return [
            values[start : start + capacity]
            for start, capacity in zip(starts, self._capacities, strict=True)
        ]


def _capacities(limits: HeaderLimits) -> tuple[int, ...]:
    each = limits.max_sequences
    num_tokens = limits.max_tokens
    sampled = limits.max_sampled
    front = (NUM_COUNTS, each, each, each + 1, each, *[sampled] * 5)
    return (*front, num_tokens + each, num_tokens, num_tokens, 2 * limits.max_tiles)
