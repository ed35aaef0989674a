"""WaitingQueue: who waits, in order of rank, and how many may.

A list sorted by rank serves both for those that wait and for those that run: it is bounded, so
moving its pointers costs nothing that counts, and a sequence leaves its middle without a trace.
Knows nothing of blocks, tokens' values or clocks.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from operator import attrgetter

from forge_common.errors import RequestError, RequestErrorKind
from forge_scheduler.sequence import Rank, Request, Sequence
from forge_scheduler.shares import NONE, Room, Shares

MIN_RETRY_AFTER_S = 1.0
MAX_RETRY_AFTER_S = 300.0

by_rank = attrgetter("rank")


class QueueFull(RequestError):
    """As many wait as may; `retry_after_s` is when those are expected to have started."""

    def __init__(self, message: str, retry_after_s: float, code: str = "queue_full") -> None:
        super().__init__(message, code=code, kind=RequestErrorKind.OVERLOADED)
        self.retry_after_s = retry_after_s


class StartTooLate(QueueFull):
    """It could not start in time; `retry_after_s` is when it could, if nobody else came."""

    def __init__(self, expected_s: float, within_s: float) -> None:
        retry_after_s = min(max(expected_s - within_s, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
        super().__init__(
            f"the wait is about {expected_s:.1f} s, and the deadline in {within_s:.1f} s",
            retry_after_s,
            "deadline_unreachable",
        )


class RankedSequences:
    """Sequences from the least rank to the greatest; ranks are unique."""

    def __init__(self) -> None:
        self._sequences: list[Sequence] = []

    def __len__(self) -> int:
        return len(self._sequences)

    def __iter__(self) -> Iterator[Sequence]:
        return iter(self._sequences)

    def __getitem__(self, index: int) -> Sequence:
        return self._sequences[index]

    @property
    def first(self) -> Sequence | None:
        return self._sequences[0] if self._sequences else None

    def add(self, sequence: Sequence) -> None:
        insort(self._sequences, sequence, key=by_rank)

    def remove(self, sequence: Sequence) -> None:
        del self._sequences[bisect_left(self._sequences, sequence.rank, key=by_rank)]


class WaitingQueue(RankedSequences):
    """Bounds what is newly submitted; preempted sequences always find their way back.

    One that is full still takes what is within a tenant's equal share, up to twice its bounds in
    all: so no tenant keeps the others out. `spare` is what another scheduler may have had besides:
    so all that it had comes back.
    """

    def __init__(self, max_sequences: int, max_tokens: int, spare: Room = NONE) -> None:
        super().__init__()
        self._room = Room(max_sequences, max_tokens)
        self._room_to_resume = self._room.plus(self._room).plus(spare)
        self._shares = Shares()
        self.num_tokens = 0

    def add(self, sequence: Sequence) -> None:
        super().add(sequence)
        self.num_tokens += sequence.request.num_prompt_tokens
        self._shares.add(sequence.request.tenant, sequence.request.num_prompt_tokens)

    def add_held(self, request: Request) -> None:
        """The choices that were held back until the prompt would be computed."""
        held, request.held = request.held, []
        for sequence in held:
            self.add(sequence)

    def remove(self, sequence: Sequence) -> None:
        super().remove(sequence)
        self.num_tokens -= sequence.request.num_prompt_tokens
        self._shares.remove(sequence.request.tenant, sequence.request.num_prompt_tokens)

    def require_room(
        self, num_tokens: int, tokens_per_s: float, *, tenant: str = "", is_resumed: bool = False
    ) -> None:
        """Raises QueueFull; an empty queue takes a prompt of any length."""
        room = self._room_to_resume if is_resumed else self._room_for(tenant, num_tokens)
        if len(self) >= room.num_sequences:
            raise QueueFull(f"{len(self)} sequences are waiting", self._drain_time_s(tokens_per_s))
        if self.num_tokens and self.num_tokens + num_tokens > room.num_tokens:
            message = f"{self.num_tokens} prompt tokens are waiting"
            raise QueueFull(message, self._drain_time_s(tokens_per_s))

    def require_start(self, rank: Rank, within_s: float, tokens_per_s: float) -> None:
        """Raises StartTooLate where those that go before take longer to start, at this rate."""
        num_before = bisect_left(self._sequences, rank, key=by_rank)
        num_tokens = sum(
            sequence.request.num_prompt_tokens for sequence in self._sequences[:num_before]
        )
        if tokens_per_s > 0 and num_tokens / tokens_per_s > within_s:
            raise StartTooLate(num_tokens / tokens_per_s, within_s)

    def oldest_arrival_s(self) -> float | None:
        return min((sequence.request.arrived_at_s for sequence in self._sequences), default=None)

    def _room_for(self, tenant: str, num_tokens: int) -> Room:
        is_small = self._shares.leaves_room(self._room, tenant, num_tokens)
        return self._room.plus(self._room) if is_small else self._room

    def _drain_time_s(self, tokens_per_s: float) -> float:
        """How long the prompts that wait now take to start, at the rate they started lately."""
        expected_s = self.num_tokens / tokens_per_s if tokens_per_s > 0 else MIN_RETRY_AFTER_S
        return min(max(expected_s, MIN_RETRY_AFTER_S), MAX_RETRY_AFTER_S)
