"""FollowUp: what the host makes of tokens once it has read them.

The device went on with them long ago; the mirror, the grammars and what is foretold follow here.
Knows neither steps in flight nor devices.
"""

from __future__ import annotations

from msgspec.structs import replace

from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import RunBatch, SampledSequence
from forge_worker.constraints import Constraints
from forge_worker.cuda.pending_step import PendingStep
from forge_worker.foresight import Followed, Foresight
from forge_worker.sampler.blame import blamed
from forge_worker.sequence_mirror import SequenceMirror


class FollowUp:
    def __init__(self, mirror: SequenceMirror, constraints: Constraints) -> None:
        self._mirror = mirror
        self._constraints = constraints
        self._foresight = Foresight(constraints, mirror.limits.max_draft_tokens)

    def meet(self, batch: RunBatch) -> None:
        self._foresight.meet(batch)

    def take_in(
        self, pending: PendingStep, sampled: list[SampledSequence]
    ) -> list[SampledSequence]:
        """`sampled`: one for each sequence of `pending`, in its order. Some may fail here."""
        places = pending.scheduled.num_known_tokens.tolist()
        return [self._take_in(*pair) for pair in zip(places, sampled, strict=True)]

    def _take_in(self, place: int, sampled: SampledSequence) -> SampledSequence:
        """It was given tokens from `place` on; it may be gone by now."""
        row = self._mirror.row_of(sampled.sequence_id)
        if row is None:
            return sampled
        if sampled.token_ids:
            sampled = self._followed(row, place, sampled)
        if sampled.error is not None:
            return self._failed(row, place, sampled, sampled.error)
        return sampled

    def _followed(self, row: int, place: int, sampled: SampledSequence) -> SampledSequence:
        """Let its grammar, if it has one, know the tokens; it may fail by that."""
        token_ids = sampled.token_ids
        problems = self._constraints.advance([row] * len(token_ids), token_ids)
        if row in problems:
            return SampledSequence(sampled.sequence_id, [], error=problems[row])
        self._mirror.take_in(row, place, token_ids)
        if not self._foresight.is_asked:
            return sampled
        known = self._mirror.token_ids.row(row)
        followed = Followed(sampled.sequence_id, row, known, token_ids)
        return replace(sampled, forced_token_ids=self._foresight.likely_tokens(followed))

    def _failed(
        self, row: int, place: int, sampled: SampledSequence, failure: Failure
    ) -> SampledSequence:
        """Its later steps answer the same."""
        num_output_tokens = place - int(self._mirror.num_prompt_tokens[row])
        failure = blamed(failure, self._mirror.params[row], num_output_tokens)
        self._mirror.fail(row, failure)
        return replace(sampled, error=failure)
