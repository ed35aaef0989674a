"""StepGraphs: decode steps recorded as CUDA graphs, one for each size of batch.

Launching some two hundred kernels from Python takes longer than a small model needs to run them; a
graph is one launch. A batch of n runs in the next larger bucket, its last rows idle. A bucket that
was never recorded is run kernel by kernel at once, and recorded later, when the host has nothing
else to do. Knows buckets, not what a step computes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

from forge_worker.cuda.device import Device, Graph

SMALL_BUCKETS = (1, 2, 4)
BUCKET_STEP = 8


class StepGraphs:
    """`run_step(num_rows)` queues all kernels of a decode step that is `num_rows` wide."""

    def __init__(
        self, device: Device, widths: Sequence[int], run_step: Callable[[int], None]
    ) -> None:
        """`widths` rise; no step is wider than the last."""
        self._device = device
        self._run_step = run_step
        self._graphs: dict[int, Graph] = {}
        self._wanted: list[int] = []
        self.buckets = widths

    def bucket_of(self, num_rows: int) -> int:
        """How wide a step for `num_rows` live rows is; they are at most the last width."""
        return self.buckets[bisect_left(self.buckets, num_rows)]

    def run(self, bucket: int) -> None:
        graph = self._graphs.get(bucket)
        if graph is not None:
            graph.launch()
            return
        self._run_step(bucket)
        if bucket not in self._wanted:
            self._wanted.append(bucket)

    def record_one(self) -> bool:
        """Record one bucket that was run without a graph; False where none is left."""
        if not self._wanted:
            return False
        bucket = self._wanted.pop(0)
        self._graphs[bucket] = self._device.capture(lambda: self._run_step(bucket))
        return True


def buckets(max_batch_size: int) -> list[int]:
    """1, 2, 4, 8, 16, 24 … and the largest batch itself."""
    regular = [*SMALL_BUCKETS, *range(BUCKET_STEP, max_batch_size, BUCKET_STEP)]
    return [size for size in regular if size < max_batch_size] + [max_batch_size]


def draft_buckets(max_sampled_rows: int) -> list[int]:
    """2, 4, 8 … and the largest: few, since a step with drafts has any number of rows."""
    powers = (1 << shift for shift in range(1, max_sampled_rows.bit_length()))
    return [*(size for size in powers if size < max_sampled_rows), max_sampled_rows]
