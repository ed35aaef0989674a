"""Reception: makes a request of what a client submits, or refuses it, and sees it off at its end.

    open ─▶ checked, room for it, a turn for it, its choices ─▶ observe: it starts ─▶ close

Holds every request that is not finished. Knows nothing of blocks, nor of what becomes of a request
in between.
"""

from __future__ import annotations

from forge_common.errors import RequestError
from forge_common.protocol.api_scheduler import Submit
from forge_scheduler.batch import Batch
from forge_scheduler.grammar_room import GrammarRoom
from forge_scheduler.intake import Intake
from forge_scheduler.policy import Policy
from forge_scheduler.resumption import known_outputs
from forge_scheduler.sequence import Rank, Request, RequestKey, Sequence, status_with
from forge_scheduler.stats import Clock, QueuePace
from forge_scheduler.turns import Turns
from forge_scheduler.waiting_queue import WaitingQueue


class Reception:
    def __init__(
        self,
        intake: Intake,
        waiting: WaitingQueue,
        grammar_room: GrammarRoom,
        policy: Policy,
        clock: Clock,
    ) -> None:
        """Puts nothing into `waiting`: it only asks whether there is room."""
        self.requests: dict[RequestKey, Request] = {}
        self._intake = intake
        self._waiting = waiting
        self._grammar_room = grammar_room
        self._policy = policy
        self._clock = clock
        self._pace = QueuePace()
        self._turns = Turns()
        self._num_requests = 0
        self._num_sequences = 0

    def open(self, client: bytes, submit: Submit) -> Request:
        """Raises RequestError, as QueueFull where trying later can help.

        What another scheduler has put out for it is prompt and output so far, as after preemption.
        """
        request = self._intake.make_request(client, submit, self._clock())
        if request.key in self.requests:
            raise RequestError(
                f"request {submit.request_id} is being served already",
                param="request_id",
                code="duplicate_request_id",
            )
        self._require_room(request, submit)
        self.requests[request.key] = request
        self._grammar_room.take(request.sampling)
        rank = self._rank(submit.priority, self._turns.take(request))
        self._num_requests += 1
        request.sequences = [
            self._make_choice(request, submit, rank._replace(choice_index=choice_index), known)
            for choice_index, known in enumerate(known_outputs(submit))
        ]
        return request

    def observe(self, batch: Batch, num_prompt_tokens: int) -> None:
        """A step was planned; so many prompt tokens have started by now, this one's included."""
        now_s = batch.sent_at_s
        self._pace.observe(now_s, num_prompt_tokens, len(self._waiting) > 0)
        if batch.new:
            for sequence in batch.sequences:
                if sequence.queue_s is None:
                    self._note_start(sequence, now_s)

    def close(self, request: Request) -> None:
        """Its last choice has ended."""
        del self.requests[request.key]
        self._grammar_room.give_back(request.sampling)
        self._turns.settle(request)
        if not self.requests:
            self._turns.forget_all()

    def _require_room(self, request: Request, submit: Submit) -> None:
        is_resumed, pace = len(submit.so_far) > 0, self._pace.per_second(request.arrived_at_s)
        self._waiting.require_room(
            request.num_prompt_tokens, pace, tenant=request.tenant, is_resumed=is_resumed
        )
        if submit.start_within_s is not None and not is_resumed:
            rank = self._rank(submit.priority, self._turns.next_of(request.tenant))
            self._waiting.require_start(rank, submit.start_within_s, pace)
        self._grammar_room.require(request.sampling, is_resumed=is_resumed)

    def _rank(self, priority: int, turn: float) -> Rank:
        """Of the first choice of the next request."""
        return self._policy.rank(priority, turn, self._num_requests, 0)

    def _make_choice(
        self, request: Request, submit: Submit, rank: Rank, known: list[int] | None
    ) -> Sequence:
        self._num_sequences += 1
        return Sequence(
            sequence_id=self._num_sequences,
            request=request,
            rank=rank,
            token_ids=[*submit.prompt_token_ids, *(known or ())],
            status=status_with(known),
        )

    def _note_start(self, sequence: Sequence, now_s: float) -> None:
        if not sequence.request.has_started:
            self._turns.start(sequence.request, sequence.rank.turn)
        sequence.queue_s = now_s - sequence.request.arrived_at_s
