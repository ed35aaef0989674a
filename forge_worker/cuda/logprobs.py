"""CudaLogprobs: logprobs of raw logits, by the kernel of logprobs.cu; for rows that ask for some.

Results go into arrays of the caller's, to be downloaded with the step's tokens. Knows nothing of
sampling, which changes logits; these are the model's own.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from forge_common.protocol.message import PositionLogprobs, TokenLogprob
from forge_common.sampling import MAX_LOGPROBS
from forge_worker.cuda.device import Device, KernelSource
from forge_worker.cuda.shapes import require
from forge_worker.forward_inputs import IntArray
from forge_worker.ops.protocol import Array
from forge_worker.sampler.table import DoubleArray

LOGPROBS_SOURCE = KernelSource("logprobs.cu")

_THREADS = 1024
_ALIGNMENT = 8
_THREADS = 1024
_ROW_BYTES = 8 + 8 * MAX_LOGPROBS + 4 * MAX_LOGPROBS + 4 + 4


class Scores(NamedTuple):
    """On the device, or a copy of it on the host. What was not asked for is undefined."""

    chosen_logprobs: Array  # float64 [num_rows]
    top_logprobs: Array  # float64 [num_rows, 20], falling
    top_token_ids: Array  # int32 [num_rows, 20]
    top_counts: Array  # int32 [num_rows], how many likeliest tokens were found
    statuses: Array  # int32 [num_rows], RowStatus: SOUND or NOT_FINITE

    def of(self, rows: slice) -> Scores:
        return Scores(*(array[rows] for array in self))


def scores_bytes(max_rows: int) -> int:
    """Of the memory that Scores take; one download copies it whole."""
    return _ALIGNMENT * -(-_ROW_BYTES * max_rows // _ALIGNMENT)


def scores_in(memory: Array, max_rows: int) -> Scores:
    """`memory` is uint8 [scores_bytes(max_rows)] at an address divisible by 8, on either side."""
    require("memory", memory, (scores_bytes(max_rows),), np.uint8)
    num_top = max_rows * MAX_LOGPROBS
    sizes = [8 * max_rows, 8 * num_top, 4 * num_top, 4 * max_rows, 4 * max_rows]
    ends = np.cumsum(sizes).tolist()
    chosen, top, token_ids, counts, statuses = (
        memory[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)
    )
    return Scores(
        chosen.view(np.float64),
        top.view(np.float64).reshape(max_rows, MAX_LOGPROBS),
        token_ids.view(np.int32).reshape(max_rows, MAX_LOGPROBS),
        counts.view(np.int32),
        statuses.view(np.int32),
    )


class CudaLogprobs:
    def __init__(self, device: Device, vocab_size: int) -> None:
        self._vocab_size = vocab_size
        self._score_rows = device.kernels(LOGPROBS_SOURCE)["score_rows"]

    def score(self, logits: Array, chosen: Array, num_entries: Array, into: Scores) -> None:
        """Queue the scoring of float32 `logits` [num_rows, vocab_size].

        int32 [num_rows]: `chosen`, the tokens; `num_entries`, 0 for rows that want nothing, 1 for
        the chosen token's logprob, 1 + n for the n likeliest too.
        """
        num_rows = len(num_entries)
        require("logits", logits, (num_rows, self._vocab_size), np.float32)
        require("chosen", chosen, (num_rows,), np.int32)
        require("num_entries", num_entries, (num_rows,), np.int32)
        _check(into, num_rows)
        args = (logits, chosen, num_entries, *into, np.int32(self._vocab_size))
        self._score_rows((num_rows, 1, 1), (_THREADS, 1, 1), args)


def entry_of(copy: Scores, row: int, token_id: int, num_top: int) -> PositionLogprobs:
    """What a sound row of a host `copy` of the scores says, in the words of the protocol."""
    count = min(num_top, int(copy.top_counts[row]))
    ids: IntArray = copy.top_token_ids[row, :count]
    logprobs: DoubleArray = copy.top_logprobs[row, :count]
    pairs = zip(ids.tolist(), logprobs.tolist(), strict=True)
    chosen = TokenLogprob(token_id, float(copy.chosen_logprobs[row]))
    return PositionLogprobs(chosen, [TokenLogprob(*pair) for pair in pairs])


def _check(scores: Scores, num_rows: int) -> None:
    require("chosen_logprobs", scores.chosen_logprobs, (num_rows,), np.float64)
    require("top_logprobs", scores.top_logprobs, (num_rows, MAX_LOGPROBS), np.float64)
    require("top_token_ids", scores.top_token_ids, (num_rows, MAX_LOGPROBS), np.int32)
    require("top_counts", scores.top_counts, (num_rows,), np.int32)
    require("statuses", scores.statuses, (num_rows,), np.int32)
