"""What a finished step says of each of its sequences, read from the pinned results.

Knows what was asked and what came out; no device, and no sequence's present state.
"""

from __future__ import annotations

from forge_common.protocol.message import Failure, PositionLogprobs
from forge_common.protocol.scheduler_worker import SampledSequence
from forge_worker.cuda.logprobs import entry_of
from forge_worker.cuda.pending_step import PendingStep
from forge_worker.cuda.sampler import ERRORS, RowStatus
from forge_worker.cuda.step_results import Results


def answer(pending: PendingStep, results: Results) -> list[SampledSequence]:
    """One for each scheduled sequence, in its order; what failed has an error and nothing else."""
    errors = _errors(pending, results)
    tokens = _tokens(pending, results)
    logprobs = _sampled_logprobs(pending, results, tokens)
    prompt_logprobs = _prompt_logprobs(pending, results)
    return [
        SampledSequence(sequence_id, [], error=errors[owner])
        if errors[owner] is not None
        else SampledSequence(
            sequence_id, tokens.get(owner, []), logprobs.get(owner), prompt_logprobs.get(owner)
        )
        for owner, sequence_id in enumerate(pending.sequence_ids)
    ]


def _errors(pending: PendingStep, results: Results) -> list[Failure | None]:
    errors = list(pending.errors)
    owners_and_statuses = [
        (pending.sampling, results.statuses),
        (pending.unfinished, results.chunk_statuses),
        (pending.scored.owners, results.scored.scores.statuses),
    ]
    for owners, statuses in owners_and_statuses:
        for owner, status in zip(owners.tolist(), statuses.tolist(), strict=False):
            if status != RowStatus.SOUND and errors[owner] is None:
                errors[owner] = ERRORS[RowStatus(status)]
    return errors


def _tokens(pending: PendingStep, results: Results) -> dict[int, list[int]]:
    owners = pending.sampling.tolist()
    return {owner: [token] for owner, token in zip(owners, results.tokens.tolist(), strict=False)}


def _sampled_logprobs(
    pending: PendingStep, results: Results, tokens: dict[int, list[int]]
) -> dict[int, list[PositionLogprobs]]:
    return {
        owner: [entry_of(results.sampled.scores, index, tokens[owner][0], count)]
        for index, owner in enumerate(pending.sampling.tolist())
        if (count := pending.num_logprobs[owner]) is not None
    }


def _prompt_logprobs(pending: PendingStep, results: Results) -> dict[int, list[PositionLogprobs]]:
    """An empty list for those that ask, but whose chunk has no prompt token after it."""
    found: dict[int, list[PositionLogprobs]] = {
        owner: [] for owner, count in enumerate(pending.num_prompt_logprobs) if count is not None
    }
    scored = pending.scored
    for index, (owner, token_id) in enumerate(
        zip(scored.owners.tolist(), scored.token_ids.tolist(), strict=True)
    ):
        count = pending.num_prompt_logprobs[owner] or 0
        found[owner].append(entry_of(results.scored.scores, index, token_id, count))
    return found
