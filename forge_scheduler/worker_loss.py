"""What the loss of a worker means to the sequences it ran: a pause, and an end for one to blame.

    ran in a step in flight ─▶ on trial ─┬─ has come past where it stood then ─▶ as any other
                                         └─ a worker is lost over it again ───▶ its request ends

At most one sequence on trial runs at a time, among others that are not: so when a worker is lost
again, it is known which of them was there both times, and only that one ends. The price is that the
suspects are resumed one after another. Knows nothing of queues, blocks or sockets.
"""

from __future__ import annotations

from collections.abc import Iterable

from forge_common.protocol.message import Failure
from forge_scheduler.batch import Batch
from forge_scheduler.sequence import Request, Sequence

BLAMED = Failure(
    "two workers in succession ended while they computed this request: it is not tried again"
)


def put_on_trial(in_flight: Iterable[Batch]) -> list[Request]:
    """Suspect all that ran in these steps; returns the requests that were suspected before."""
    stood_at: dict[Sequence, int] = {}
    for batch in in_flight:
        for sequence, scheduled in zip(batch.sequences, batch.scheduled, strict=True):
            stood_at[sequence] = scheduled.num_computed_tokens + scheduled.num_scheduled_tokens
    suspected = (sequence for sequence in stood_at if sequence.is_on_trial)
    blamed = {sequence.request: None for sequence in suspected if not sequence.is_finished}
    for sequence, num_computed_tokens in stood_at.items():
        sequence.num_tokens_on_trial = num_computed_tokens
    return list(blamed)


def fit_to(request: Request, max_model_len: int) -> list[Sequence]:
    """Let a request go on in another KV memory; returns its sequences that have no room there."""
    request.max_num_tokens = min(request.max_num_tokens, max_model_len)
    for sequence in request.unfinished:
        sequence.block_hashes = []  # which were made for the blocks of the old one
    return [sequence for sequence in request.unfinished if len(sequence.token_ids) >= max_model_len]


def no_room(sequence: Sequence, max_model_len: int) -> Failure:
    num_tokens = len(sequence.token_ids)
    return Failure(
        f"the worker was replaced by one with room for {max_model_len} tokens, not {num_tokens}"
    )
