"""ModelRunner: one RunBatch in, one BatchOutput out.

    RunBatch ─▶ mirror ─▶ inputs ─▶ model ─▶ logits ─▶ sampler ─▶ mirror, BatchOutput

Logits for prompt logprobs are computed a slice at a time, since a long prompt times a large
vocabulary would not fit. A row that fails answers with its error; the others go on.

Drafts are sampled position by position, each with the history that plain decoding would have there,
for as long as they turn out right: rules, noise and logprobs need not know of them. Knows no
sockets, no files, and no device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from time import perf_counter
from typing import NamedTuple

import numpy as np

from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.answer import Answer
from forge_worker.batch_inputs import BatchInputs, build_inputs
from forge_worker.constraints import Constraints
from forge_worker.draft_check import DraftCheck
from forge_worker.foresight import Followed, Foresight
from forge_worker.forward_inputs import FloatArray, ForwardInputs, IntArray
from forge_worker.kv_cache import KVCache, scrub
from forge_worker.logprobs import position_logprobs
from forge_worker.masks import Masks
from forge_worker.models.registry import Model
from forge_worker.ops.protocol import Array
from forge_worker.sampler.blame import blamed
from forge_worker.sampler.sampler import NOT_FINITE, MakeSampler, Sampler, Wanted
from forge_worker.sampler.table import SamplingTable
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.sequence_mirror import Limits, SequenceMirror, host_tables
from forge_worker.top_tokens import Mask, TokenArray

SCORED_VALUES = 2**24  # logits of a prompt that are held at a time: 64 MiB


class Step(NamedTuple):
    scheduled: ScheduledRows
    inputs: BatchInputs
    answers: list[Answer]  # one a scheduled sequence


class ModelRunner:
    def __init__(
        self,
        model: Model,
        kv_cache: KVCache,
        limits: Limits,
        constraints: Constraints,
        make_sampler: MakeSampler = Sampler,
    ) -> None:
        self._model = model
        self._kv_cache = kv_cache
        self._vocab_size = limits.vocab_size
        sampling = SamplingTable(limits.max_batch_size, limits.vocab_size)
        self.mirror = SequenceMirror(limits, host_tables(limits, sampling, constraints))
        self._constraints = constraints
        self._foresight = Foresight(constraints, limits.max_draft_tokens)
        self._sampler = make_sampler(sampling)
        self._outputs: list[BatchOutput] = []

    def launch(self, batch: RunBatch) -> None:
        """Compute all of a step, at once."""
        self._outputs.append(self.run(batch))

    def finished(self) -> list[BatchOutput]:
        outputs, self._outputs = self._outputs, []
        return outputs

    def use_spare_time(self) -> None:
        """Nothing is left to prepare."""

    def waking(self, wake: Callable[[], None]) -> AbstractContextManager[object]:
        """A step is done when `launch` returns: nobody needs to be woken."""
        return nullcontext()

    def run(self, batch: RunBatch) -> BatchOutput:
        """Raises WorkerError where `batch` breaks the protocol's contract."""
        scheduled = self.mirror.apply(batch)
        self._foresight.meet(batch)
        if tainted := self.mirror.take_tainted_block_ids():
            scrub(self._kv_cache, self._model.ops, tainted)
        started = perf_counter()
        self._constraints.begin_step(len(scheduled.rows))
        step = self._begin(scheduled)
        if step.answers:
            step = self._compute(step)
        if self._foresight.is_asked:
            self._look_ahead(batch, step)
        answers = zip(batch.scheduled, step.answers, strict=True)
        sequences = [answer.of(scheduled.sequence_id) for scheduled, answer in answers]
        return BatchOutput(batch.step_id, sequences, perf_counter() - started)

    def _begin(self, scheduled: ScheduledRows) -> Step:
        mirror = self.mirror
        rows = scheduled.rows.tolist()
        wants = [mirror.params[row].num_prompt_logprobs is not None for row in rows]
        answers = [
            Answer(mirror.failures.get(row), wanted)
            for row, wanted in zip(rows, wants, strict=True)
        ]
        return Step(scheduled, build_inputs(mirror, scheduled, np.array(wants, np.bool_)), answers)

    def _compute(self, step: Step) -> Step:
        """Returns the step that was answered: another one where drafts had to be left out."""
        inputs = step.inputs
        masks = self._constraints.begin_masks(step.scheduled.rows[inputs.sampling].tolist())
        hidden = self._hidden(inputs.forward)
        sampling_start = len(inputs.scored_rows)
        sampling_end = sampling_start + int(inputs.sampled_starts[-1])
        logits = self._model.logits(hidden[sampling_start:sampling_end])
        allowed = masks.result()
        if len(step.scheduled.draft_token_ids) and not is_sound(logits).all():
            return self._compute(self._without_drafts(step))
        if sampling_start:
            logits = logits.copy()  # those of prompts may take its place
            self._score_prompts(step, hidden[:sampling_start])
        self._sample(step, logits, allowed)
        if len(inputs.unfinished):
            is_finite = np.isfinite(hidden[sampling_end:]).all(axis=1)
            self._fail_all(step, inputs.unfinished[~is_finite])
        return step

    def _without_drafts(self, step: Step) -> Step:
        """One that is not finite shows in the positions before it, which must not fail of it."""
        scheduled, block_size = step.scheduled, self.mirror.limits.block_size
        for owner in np.flatnonzero(scheduled.num_draft_tokens).tolist():
            first_block = int(scheduled.num_computed_tokens[owner]) // block_size
            block_ids = self.mirror.block_tables.row(int(scheduled.rows[owner]))[first_block:]
            scrub(self._kv_cache, self._model.ops, block_ids.tolist())
        return self._begin(scheduled.without_drafts())

    def _hidden(self, inputs: ForwardInputs) -> Array:
        model, kv_cache = self._model, self._kv_cache
        step = model.ops.begin_step(inputs, model.config, kv_cache.block_size)
        return model.hidden(step, kv_cache)

    def _score_prompts(self, step: Step, hidden: Array) -> None:
        """Logprobs of the prompt tokens that follow this step's."""
        size = max(1, SCORED_VALUES // self._vocab_size)
        for start in range(0, len(hidden), size):
            part = slice(start, start + size)
            self._score(step, self._model.logits(hidden[part]), part)

    def _score(self, step: Step, logits: FloatArray, part: slice) -> None:
        owners = step.inputs.scored_of[part]
        rows, places = step.scheduled.rows[owners], step.inputs.scored_rows[part]
        next_positions = step.inputs.forward.positions[places] + 1
        chosen = self.mirror.token_ids.values[rows, next_positions].astype(np.int64)
        counts = [self.mirror.params[row].num_prompt_logprobs or 0 for row in rows.tolist()]
        is_broken = ~is_sound(logits)
        self._fail_all(step, owners[is_broken])
        logits[is_broken] = 0
        for owner, entry in zip(owners, position_logprobs(logits, chosen, counts), strict=True):
            entries = step.answers[owner].prompt_logprobs
            if entries is not None:
                entries.append(entry)

    def _sample(self, step: Step, logits: FloatArray, masks: Masks) -> None:
        """A token for each that samples, another for each whose draft was right, and so on."""
        drafts = DraftCheck(step.scheduled, step.inputs)
        while len(drafts.owners):
            places = drafts.logit_places
            going = logits if len(places) == len(logits) else logits[places]
            rows = step.scheduled.rows[drafts.owners]
            if not drafts.is_first:
                masks = self._constraints.masks(rows.tolist())
            if delayed := masks.delayed_of(rows):
                self._delay(step, drafts, delayed)
                continue
            draws = self._sampler.sample(going, Wanted(rows, drafts.positions, masks.words))
            errors = draws.errors | masks.errors_of(rows)
            if errors and not drafts.is_first:
                # What came before is given first; the next step will meet the same error.
                drafts.drop(list(errors))
                continue
            for index, error in errors.items():
                self._fail(step, int(drafts.owners[index]), error)
            self._take(step, going, drafts.owners, draws.token_ids)
            drafts.advance(draws.token_ids)

    def _delay(self, step: Step, drafts: DraftCheck, indices: list[int]) -> None:
        """Those get no token in this step, or none behind the drafts they have."""
        for owner in drafts.owners[indices].tolist() if drafts.is_first else ():
            step.answers[owner].is_delayed = True
        drafts.drop(indices)

    def _take(
        self, step: Step, logits: FloatArray, owners: IntArray, token_ids: TokenArray
    ) -> None:
        """Answer the tokens, and feed them forward."""
        rows = step.scheduled.rows[owners]
        self.mirror.append(rows, token_ids)
        self._fail_rows(step, self._constraints.advance(rows.tolist(), token_ids.tolist()))
        for owner, token_id in zip(owners.tolist(), token_ids.tolist(), strict=True):
            step.answers[owner].token_ids.append(token_id)
        self._add_logprobs(step, logits, owners, token_ids)

    def _look_ahead(self, batch: RunBatch, step: Step) -> None:
        """Answer what is to be drafted next, where a grammar tells."""
        rows = step.scheduled.rows.tolist()
        for part, row, answer in zip(batch.scheduled, rows, step.answers, strict=True):
            if answer.token_ids and answer.error is None:
                known = self.mirror.token_ids.row(row)
                followed = Followed(part.sequence_id, row, known, answer.token_ids)
                answer.forced_token_ids = self._foresight.likely_tokens(followed)

    def _add_logprobs(
        self, step: Step, logits: FloatArray, owners: IntArray, token_ids: TokenArray
    ) -> None:
        asked = [
            (index, owner, count)
            for index, owner in enumerate(owners.tolist())
            if (count := self._num_logprobs(step, owner)) is not None
        ]
        if asked:
            indices = [index for index, _, _ in asked]
            counts = [count for _, _, count in asked]
            entries = position_logprobs(logits[indices], token_ids[indices], counts)
            for (_, owner, _), entry in zip(asked, entries, strict=True):
                step.answers[owner].add_logprobs(entry)

    def _num_logprobs(self, step: Step, owner: int) -> int | None:
        """How many likeliest tokens to name; None where nothing was asked, or nothing is sound."""
        if step.answers[owner].error is not None:
            return None
        return self.mirror.params[int(step.scheduled.rows[owner])].num_logprobs

    def _fail_rows(self, step: Step, errors: Mapping[int, Failure]) -> None:
        """`errors` by row of the mirror."""
        for owner, row in enumerate(step.scheduled.rows.tolist() if errors else ()):
            if row in errors:
                self._fail(step, owner, errors[row])

    def _fail_all(self, step: Step, owners: IntArray) -> None:
        for owner in owners.tolist():
            self._fail(step, owner, NOT_FINITE)

    def _fail(self, step: Step, owner: int, failure: Failure) -> None:
        if step.answers[owner].error is None:
            row = int(step.scheduled.rows[owner])
            num_output_tokens = self.mirror.num_output_tokens(row)
            failure = blamed(failure, self.mirror.params[row], num_output_tokens)
            step.answers[owner].error = failure
            self.mirror.fail(row, failure)


def is_sound(logits: FloatArray) -> Mask:
    """[num_rows] of `logits` [num_rows, vocab_size]."""
    mask: Mask = np.isfinite(logits.max(axis=1))
    return mask
