"""What a finished step says of each of its sequences, read from the pinned results.

Knows what was asked and what came out; no device, and no sequence's present state.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from forge_common.protocol.message import Failure, PositionLogprobs
from forge_common.protocol.scheduler_worker import SampledSequence
from forge_worker.cuda.logprobs import entry_of
from forge_worker.cuda.pending_step import PendingStep
from forge_worker.cuda.sampler import ERRORS, RowStatus
from forge_worker.cuda.step_results import Results
from forge_worker.cuda.verification import given_rows


def answer(pending: PendingStep, results: Results) -> list[SampledSequence]:
    """One for each scheduled sequence, in its order; what failed has an error and nothing else.

    Those that drafts may have spoilt are delayed.
    """
    given = dict(zip(pending.sampling.tolist(), given_rows(pending, results), strict=True))
    errors = _errors(pending, results, given)
    tokens = _tokens(results, given)
    logprobs = _sampled_logprobs(pending, results, given)
    prompt_logprobs = _prompt_logprobs(pending, results)
    return [
        SampledSequence(sequence_id, [], error=errors[owner])
        if errors[owner] is not None
        else SampledSequence(
            sequence_id,
            tokens.get(owner, []),
            logprobs.get(owner),
            prompt_logprobs.get(owner),
            is_delayed=owner in given and len(given[owner]) == 0,
        )
        for owner, sequence_id in enumerate(pending.sequence_ids)
    ]


def _errors(
    pending: PendingStep, results: Results, given: Mapping[int, range]
) -> list[Failure | None]:
    """Of a sequence's rows the first one tells; behind it, an unsound one ends what is given."""
    errors = list(pending.errors)
    first_rows = np.array([(owner, rows.start) for owner, rows in given.items() if rows], np.int32)
    owners, rows = first_rows.reshape(-1, 2).T
    owners_and_statuses = [
        (owners, results.statuses[rows]),
        (pending.unfinished, results.chunk_statuses),
        (pending.scored.owners, results.scored.scores.statuses),
    ]
    for owners, statuses in owners_and_statuses:
        for owner, status in zip(owners.tolist(), statuses.tolist(), strict=False):
            if status != RowStatus.SOUND and errors[owner] is None:
                errors[owner] = ERRORS[RowStatus(status)]
    return errors


def _tokens(results: Results, given: Mapping[int, range]) -> dict[int, list[int]]:
    tokens = results.tokens.tolist()
    return {owner: tokens[rows.start : rows.stop] for owner, rows in given.items()}


def _sampled_logprobs(
    pending: PendingStep, results: Results, given: Mapping[int, range]
) -> dict[int, list[PositionLogprobs]]:
    return {
        owner: [
            entry_of(results.sampled.scores, row, int(results.tokens[row]), count) for row in rows
        ]
        for owner, rows in given.items()
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
