"""GrammarRoom: how many bytes the grammars of all unfinished requests may take together.

Each may be megabytes, and all who wait for a place keep theirs; so do long lists of allowed tokens.
Choices of one request share what it brought. Knows no queue and no grammar.
"""

from __future__ import annotations

from forge_common.sampling import SamplingParams
from forge_scheduler.waiting_queue import MIN_RETRY_AFTER_S, QueueFull

TOKEN_ID_BYTES = 40  # of a tuple, each an integer


class GrammarRoom:
    def __init__(self, max_bytes: int) -> None:
        self.num_bytes = 0
        self._max_bytes = max_bytes

    def require(self, sampling: SamplingParams, *, is_resumed: bool = False) -> None:
        """Raises QueueFull; where there is nothing yet, anything fits.

        As much again is kept for what another scheduler had: so all of that comes back.
        """
        num_bytes, max_bytes = size_of(sampling), self._max_bytes * (1 + is_resumed)
        if num_bytes and self.num_bytes and self.num_bytes + num_bytes > max_bytes:
            raise QueueFull(
                f"{self.num_bytes} bytes of grammars are waiting or in use", MIN_RETRY_AFTER_S
            )

    def take(self, sampling: SamplingParams) -> None:
        self.num_bytes += size_of(sampling)

    def give_back(self, sampling: SamplingParams) -> None:
        self.num_bytes -= size_of(sampling)


def size_of(sampling: SamplingParams) -> int:
    """Bytes of what may be long."""
    num_allowed = len(sampling.allowed_token_ids or ())
    return len(sampling.grammar or b"") + num_allowed * TOKEN_ID_BYTES
