"""Answer: what a step finds out for one of its sequences, which becomes its part of a BatchOutput.

Knows neither rows nor the other sequences.
"""

from __future__ import annotations

from forge_common.protocol.message import Failure, PositionLogprobs
from forge_common.protocol.scheduler_worker import SampledSequence


class Answer:
    __slots__ = (
        "error",
        "forced_token_ids",
        "is_delayed",
        "logprobs",
        "prompt_logprobs",
        "token_ids",
    )

    def __init__(self, error: Failure | None, wants_prompt_logprobs: bool) -> None:
        self.error = error
        self.is_delayed = False
        self.token_ids: list[int] = []
        self.forced_token_ids: list[int] = []
        self.logprobs: list[PositionLogprobs] | None = None
        self.prompt_logprobs: list[PositionLogprobs] | None = [] if wants_prompt_logprobs else None

    def add_logprobs(self, entry: PositionLogprobs) -> None:
        self.logprobs = [*(self.logprobs or []), entry]

    def of(self, sequence_id: int) -> SampledSequence:
        if self.error is not None:
            return SampledSequence(sequence_id, [], error=self.error)
        return SampledSequence(
            sequence_id,
            self.token_ids,
            self.logprobs,
            self.prompt_logprobs,
            forced_token_ids=self.forced_token_ids,
            is_delayed=self.is_delayed,
        )
