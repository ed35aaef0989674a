"""What rank 0 tells the other ranks of a worker: once what they are, then each step.

Every rank keeps a mirror of its own and draws from the same logits with the same noise, so tokens
are never sent. `checksum` is how a rank would notice that it drew otherwise. Knows no socket.
"""

from __future__ import annotations

from zlib import crc32

from msgspec import Struct

from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.sequence_mirror import Limits

READY = b"ready"


class RankJob(Struct, frozen=True):
    """What a rank computes, beside its number the same for all."""

    num_ranks: int
    model_path: str
    limits: Limits
    num_threads: int  # of each rank


class Assignment(Struct, frozen=True):
    rank: int
    job: RankJob


class RankStep(Struct, frozen=True):
    batch: RunBatch
    drawn: tuple[int, ...]  # checksums of the steps whose answers rank 0 learnt of meanwhile


def checksum(output: BatchOutput) -> int:
    """Of the tokens that were drawn."""
    drawn = [sampled.token_ids for sampled in output.sequences]
    return crc32(repr(drawn).encode())
