"""SequenceMirror: the worker's copy of every running sequence, one row each in persistent arrays.

Fed by the deltas of RunBatch and by the worker's own samples, so that a step may be sent before the
one ahead of it was answered. What breaks the protocol's contract raises WorkerError before any
array is touched by it; a sequence that merely cannot be served (a token id beyond the vocabulary)
fails alone. Knows nothing of models, logits or sockets.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from forge_common.errors import WorkerError
from forge_common.protocol.message import Failure
from forge_common.protocol.scheduler_worker import (
    NewSequence,
    RunBatch,
    ScheduledSequence,
    max_sampled_rows,
)
from forge_common.sampling import SamplingParams
from forge_worker.forward_inputs import IntArray
from forge_worker.ragged_table import RaggedTable
from forge_worker.sampler.table import History
from forge_worker.scheduled_rows import ScheduledRows
from forge_worker.top_tokens import TokenArray


class Limits(NamedTuple):
    """What every sequence and block id must keep to."""

    max_batch_size: int
    max_model_len: int
    block_size: int
    num_blocks: int
    vocab_size: int
    max_draft_tokens: int = 0  # of one sequence in one step

    @property
    def max_blocks_per_sequence(self) -> int:
        return -(-self.max_model_len // self.block_size)

    @property
    def max_known_tokens(self) -> int:
        """One more than a context holds: the last token sampled is never computed."""
        return self.max_model_len + 1

    @property
    def max_sampled_rows(self) -> int:
        """Of one step, where drafts that are too many are left out."""
        return max_sampled_rows(self.max_batch_size, self.max_draft_tokens)

    @property
    def max_drafts(self) -> int:
        """Of all sequences in one step; so many rows have another before them."""
        return self.max_sampled_rows - 1 if self.max_draft_tokens else 0


class SamplingRows(Protocol):
    """How each row samples; where the sampler reads it."""

    def set(
        self, row: int, params: SamplingParams, choice_index: int, history: History
    ) -> None: ...

    def append(self, rows: IntArray, token_ids: TokenArray) -> None:
        """Each of `rows` has put out one more token."""

    def clear(self, row: int) -> None: ...


class GrammarRows(Protocol):
    """The grammar of each row that has one."""

    def set(
        self, row: int, params: SamplingParams, output_token_ids: Sequence[int]
    ) -> Failure | None:
        """Why the sequence cannot be served, if so."""

    def clear(self, row: int) -> None: ...


class MirrorTables(NamedTuple):
    """What is known of each row, and mirrored further where a device keeps tables of its own."""

    token_ids: RaggedTable
    block_tables: RaggedTable
    sampling: SamplingRows
    grammars: GrammarRows


def host_tables(limits: Limits, sampling: SamplingRows, grammars: GrammarRows) -> MirrorTables:
    """Tables of tokens and blocks that are mirrored nowhere else."""
    return MirrorTables(
        RaggedTable(limits.max_batch_size, limits.max_known_tokens),
        RaggedTable(limits.max_batch_size, limits.max_blocks_per_sequence),
        sampling,
        grammars,
    )


class SequenceMirror:
    def __init__(self, limits: Limits, tables: MirrorTables) -> None:
        self.limits = limits
        self.token_ids, self.block_tables, self.sampling, self._grammars = tables
        self.num_prompt_tokens: IntArray = np.zeros(limits.max_batch_size, np.int32)
        self.params: dict[int, SamplingParams] = {}  # by row
        self.failures: dict[int, Failure] = {}  # by row: why the sequence cannot go on
        self._tainted_block_ids: list[int] = []
        self._rows: dict[int, int] = {}  # by sequence id
        self._free_rows = list(range(limits.max_batch_size))[::-1]

    def apply(self, batch: RunBatch) -> ScheduledRows:
        """Take in what `batch` says changed, and find the rows it runs."""
        for sequence_id in batch.released:
            self._release(sequence_id)
        for new in batch.new:
            self._learn(new)
        scheduled = self._find(batch.scheduled)
        self._extend_block_tables(batch.scheduled, scheduled.rows.tolist())
        self._check(scheduled)
        return scheduled

    def append(self, rows: IntArray, token_ids: TokenArray) -> None:
        """Each of `rows` was given its next token."""
        self.token_ids.append(rows, token_ids.astype(np.int32))
        self.sampling.append(rows, token_ids)

    def take_in(self, row: int, place: int, token_ids: Sequence[int]) -> None:
        """From `place` on `row` was given `token_ids`, which so far were counted at most."""
        self.token_ids.put(row, place, token_ids)

    def num_output_tokens(self, row: int) -> int:
        return int(self.token_ids.lengths[row] - self.num_prompt_tokens[row])

    def row_of(self, sequence_id: int) -> int | None:
        """None once the sequence was released."""
        return self._rows.get(sequence_id)

    def fail(self, row: int, failure: Failure) -> None:
        """The sequence answers `failure` from now on; its row stays until it is released."""
        self.failures[row] = failure

    def take_tainted_block_ids(self) -> list[int]:
        """Blocks of failed sequences released since this was last asked."""
        taken, self._tainted_block_ids = self._tainted_block_ids, []
        return taken

    def _release(self, sequence_id: int) -> None:
        """Unknown ids are nothing to forget: the worker may have been restarted since."""
        row = self._rows.pop(sequence_id, None)
        if row is not None:
            self._clear(row)
            self._free_rows.append(row)

    def _learn(self, new: NewSequence) -> None:
        """A known id is a preempted sequence that resumes: it starts afresh."""
        if not 0 < len(new.token_ids) <= self.limits.max_model_len:
            raise WorkerError(f"sequence {new.sequence_id} has {len(new.token_ids)} tokens")
        if new.num_prompt_tokens > len(new.token_ids):
            raise WorkerError(f"sequence {new.sequence_id} has a prompt longer than itself")
        self._release(new.sequence_id)
        if not self._free_rows:
            raise WorkerError(f"more than {self.limits.max_batch_size} sequences run at once")
        row = self._free_rows.pop()
        self._rows[new.sequence_id] = row
        self._fill(row, new)

    def _fill(self, row: int, new: NewSequence) -> None:
        token_ids, sampling = np.array(new.token_ids, np.int32), new.sampling
        reason = _problem(token_ids, sampling, self.limits.vocab_size)
        problem = (
            Failure(reason)
            if reason
            else self._grammars.set(row, sampling, new.token_ids[new.num_prompt_tokens :])
        )
        if problem:
            self.fail(row, problem)
            token_ids, sampling = np.zeros_like(token_ids), SamplingParams(max_tokens=1, seed=0)
        known = token_ids.tolist()
        history = History(known[: new.num_prompt_tokens], known[new.num_prompt_tokens :])
        self.token_ids.set(row, token_ids)
        self.num_prompt_tokens[row] = new.num_prompt_tokens
        self.params[row] = sampling
        self.sampling.set(row, sampling, new.choice_index, history)

    def _clear(self, row: int) -> None:
        if self.failures.pop(row, None) is not None:
            self._tainted_block_ids += self.block_tables.row(row).tolist()
        self.token_ids.set(row, [])
        self.block_tables.set(row, [])
        self.sampling.clear(row)
        self._grammars.clear(row)
        del self.params[row]

    def _find(self, scheduled: Sequence[ScheduledSequence]) -> ScheduledRows:
        try:
            rows = [self._rows[sequence.sequence_id] for sequence in scheduled]
        except KeyError as error:
            raise WorkerError(f"sequence {error} is scheduled but unknown") from error
        if len(set(rows)) < len(rows):
            raise WorkerError("a sequence is scheduled twice in one step")
        return ScheduledRows.of(scheduled, rows, self.limits.max_model_len)

    def _extend_block_tables(self, scheduled: Sequence[ScheduledSequence], rows: list[int]) -> None:
        for sequence, row in zip(scheduled, rows, strict=True):
            if sequence.new_block_ids:
                self._extend_block_table(row, sequence)

    def _extend_block_table(self, row: int, sequence: ScheduledSequence) -> None:
        block_ids, limits = sequence.new_block_ids, self.limits
        if max(block_ids) >= limits.num_blocks:
            raise WorkerError(f"block {max(block_ids)} is not one of {limits.num_blocks}")
        if self.block_tables.lengths[row] + len(block_ids) > limits.max_blocks_per_sequence:
            raise WorkerError(f"sequence {sequence.sequence_id} has more blocks than it may need")
        self.block_tables.extend(row, block_ids)

    def _check(self, scheduled: ScheduledRows) -> None:
        """That every scheduled token is known and has its place."""
        context_lens, rows = scheduled.context_lens, scheduled.rows
        known = self.token_ids.lengths[rows] + scheduled.num_draft_tokens
        room = self.block_tables.lengths[rows] * self.limits.block_size
        if (context_lens > np.minimum(known, self.limits.max_model_len)).any():
            raise WorkerError("more tokens of a sequence are scheduled than are known of it")
        if (context_lens > room).any():
            raise WorkerError("a scheduled token has no block to stand in")
        if (scheduled.is_sampling != (context_lens == known)).any():
            raise WorkerError("a step must sample exactly where it reaches the last known token")
        self._check_drafts(scheduled)

    def _check_drafts(self, scheduled: ScheduledRows) -> None:
        if not len(scheduled.draft_token_ids):
            return
        counts = scheduled.num_draft_tokens
        if counts.max() > self.limits.max_draft_tokens:
            raise WorkerError(f"this worker takes {self.limits.max_draft_tokens} drafts at most")
        if (counts[~scheduled.is_sampling] > 0).any():
            raise WorkerError("drafts stand in the midst of what is known")
        if (scheduled.num_scheduled_tokens <= counts).any():
            raise WorkerError("drafts are scheduled without the token before them")
        if scheduled.draft_token_ids.max() >= self.limits.vocab_size:
            raise WorkerError("a draft is not in the vocabulary")


def _problem(token_ids: IntArray, sampling: SamplingParams, vocab_size: int) -> str | None:
    """Why a sequence cannot be served, if so."""
    if token_ids.max() >= vocab_size:
        return f"token {token_ids.max()} is not in the vocabulary of {vocab_size}"
    for name, named in _named_tokens(sampling):
        if max(named, default=0) >= vocab_size:
            return f"{name}: token {max(named)} is not in the vocabulary of {vocab_size}"
    return None


class NamedTokens(NamedTuple):
    parameter: str
    token_ids: Iterable[int]


def _named_tokens(sampling: SamplingParams) -> list[NamedTokens]:
    """Token ids that will index logits."""
    return [
        NamedTokens("logit_bias", sampling.logit_bias),
        NamedTokens("stop_token_ids", sampling.stop_token_ids),
        NamedTokens("eos_token_ids", sampling.eos_token_ids),
        NamedTokens("allowed_token_ids", sampling.allowed_token_ids or ()),
        NamedTokens("bad_words", [word[-1] for word in sampling.bad_words]),
    ]
