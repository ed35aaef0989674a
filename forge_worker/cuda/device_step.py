"""DeviceStep: one step's work as arrays on the device, at addresses that never change.

A graph is recorded for a number of rows and replayed for fewer: `counts`, on the device, says how
many are live, and kernels with effects beyond their own row skip the others. Sequences that run one
token are `singles`; a longer chunk is cut into `tiles` of queries. Knows no requests.
"""

from __future__ import annotations

from typing import NamedTuple

from forge_worker.ops.protocol import Array


class StepShape(NamedTuple):
    """How many rows kernels are launched for; not less than what is live."""

    num_tokens: int
    num_sequences: int
    num_logits: int  # rows that get logits
    num_singles: int
    num_tiles: int


class DeviceStep(NamedTuple):
    shape: StepShape
    counts: Array  # int32 [4]: live tokens, live sequences, live sampling rows, unused
    token_ids: Array  # int32 [num_tokens]
    positions: Array  # int32 [num_tokens]
    slots: Array  # int64 [num_tokens], block_id * block_size + offset
    sequence_rows: Array  # int32 [num_sequences], the row of each in block_tables
    query_starts: Array  # int32 [num_sequences + 1]
    context_lens: Array  # int32 [num_sequences], KV valid once this step's tokens are written
    block_tables: Array  # int32 [max_batch_size, max_blocks], of all sequences the worker knows
    singles: Array  # int32 [num_singles], indices of sequences
    tiles: Array  # int32 [num_tiles, 2]: index of a sequence, first query of the tile in its chunk
    logit_rows: Array  # int32 [num_logits], indices into token_ids


class SampledRows(NamedTuple):
    """The rows of a step that are sampled, int32 [num_rows] each; see SampledPlaces.

    Those of one sequence follow one another, the one with no draft before it first.
    """

    table_rows: Array
    context_lens: Array  # the places that their tokens will take
    assumed: Array  # drafts before each, which it takes for right
    mask_rows: Array  # of the table of masks
