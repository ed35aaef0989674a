"""Into how many splits the contexts of a launch are cut, and the workspace that takes.

A context is cut on the device, see kernels/attention_split.cuh; here stands what a launch is told.
The number of splits follows from how many blocks fill the device, unless their size is fixed: then
a sequence's bits do not depend on what else is in the batch. Knows no kernel's arguments.
"""

from __future__ import annotations

from typing import NamedTuple

SPLIT_STEP = 64  # tokens, as in kernels/attention_split.cuh
MAX_BLOCKS = 64  # that share one row's context
_BLOCKS_PER_MULTIPROCESSOR = 16  # some four times what is resident, so that the end has no gaps
_SECTION = 256  # bytes, of the workspace


class AttentionLimits(NamedTuple):
    """Of any launch. The fixed size of a split is a multiple of SPLIT_STEP."""

    max_rows: int  # tokens that attend on their own: one a sequence, or every one in float32
    max_context: int
    split_size: int | None = None  # tokens


class SplitLimits(NamedTuple):
    """Of one launch."""

    num_blocks: int  # for each row and set of heads
    min_tokens: int
    max_splits: int  # of a row


class Workspace(NamedTuple):
    """Bytes of its sections, one behind the other."""

    counters: int
    softmax: int
    attended: int

    @property
    def num_bytes(self) -> int:
        return sum(self)


class Splitting:
    """`num_head_sets` blocks serve all heads of a row."""

    def __init__(
        self, limits: AttentionLimits, num_head_sets: int, num_multiprocessors: int
    ) -> None:
        if limits.split_size is not None and limits.split_size % SPLIT_STEP:
            raise ValueError(f"{limits.split_size} tokens are no multiple of {SPLIT_STEP}")
        self._limits = limits
        self._num_head_sets = num_head_sets
        self._wanted_blocks = _BLOCKS_PER_MULTIPROCESSOR * num_multiprocessors

    def of(self, num_rows: int) -> SplitLimits:
        size = self._limits.split_size
        most = _ceil_div(self._limits.max_context, size or SPLIT_STEP)
        wanted = _ceil_div(self._wanted_blocks, num_rows * self._num_head_sets)
        num_blocks = min(wanted, most, MAX_BLOCKS)
        if size is None:
            return SplitLimits(num_blocks, SPLIT_STEP, num_blocks)
        return SplitLimits(num_blocks, size, most)

    def workspace(self, num_heads: int, head_dim: int) -> Workspace:
        """What the launches of up to max_rows rows need at most."""
        row_counts = range(1, self._limits.max_rows + 1)
        num_parts = num_heads * max(self._num_parts(num_rows) for num_rows in row_counts)
        num_counters = self._limits.max_rows * self._num_head_sets
        return Workspace(
            *map(_section, (4 * num_counters, 8 * num_parts, 4 * num_parts * head_dim))
        )

    def _num_parts(self, num_rows: int) -> int:
        max_splits = self.of(num_rows).max_splits
        return num_rows * max_splits if max_splits > 1 else 0


def whole_steps(num_tokens: int) -> int:
    return _ceil_div(num_tokens, SPLIT_STEP) * SPLIT_STEP


def _ceil_div(count: int, size: int) -> int:
    return -(-count // size)


def _section(num_bytes: int) -> int:
    return _ceil_div(num_bytes, _SECTION) * _SECTION
