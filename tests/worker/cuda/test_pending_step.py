"""What a step must answer later is copied when it is launched."""

from __future__ import annotations

import numpy as np

from forge_common.protocol.scheduler_worker import RunBatch
from forge_worker.cuda.pending_step import PendingStep, pending_step
from forge_worker.sequence_mirror import SequenceMirror
from tests.worker.fakes import LIMITS, FakeSequence, host_mirror

PROMPT = [10, 11, 12, 13, 14, 15]


def launched(mirror: SequenceMirror, *parts: tuple[FakeSequence, int | None]) -> PendingStep:
    new = [sequence.introduction() for sequence, _ in parts if not sequence.num_sent_blocks]
    scheduled = [sequence.schedule(count) for sequence, count in parts]
    batch = RunBatch(7, [], new, scheduled)
    return pending_step(batch, mirror.apply(batch), mirror)


def test_sequences_that_sample_are_told_from_chunks() -> None:
    whole, chunk = FakeSequence(1, [3, 4], [0]), FakeSequence(2, PROMPT, [1, 2])
    pending = launched(host_mirror(), (chunk, 4), (whole, None))
    assert pending.sequence_ids == [2, 1]
    assert pending.sampling.tolist() == [1]
    assert pending.unfinished.tolist() == [0]
    assert pending.query_starts.tolist() == [0, 4, 6]
    assert not pending.only_decodes


def test_decoding_step_has_one_token_a_sequence() -> None:
    mirror = host_mirror()
    sequences = [FakeSequence(i, [3, 4], [i]) for i in (1, 2)]
    first = launched(mirror, *((sequence, None) for sequence in sequences))
    mirror.append(first.scheduled.rows, np.zeros(2, np.int64))
    pending = launched(mirror, *((sequence, None) for sequence in sequences))
    assert pending.only_decodes
    assert pending.num_tokens == 2


def test_prompt_tokens_are_scored_by_the_token_before_them_chunk_by_chunk() -> None:
    mirror = host_mirror()
    plain = FakeSequence(1, [3, 4], [0])
    scored = FakeSequence(2, PROMPT, [1, 2], num_prompt_logprobs=2)
    first = launched(mirror, (plain, None), (scored, 4))
    assert first.scored.places.tolist() == [2, 3, 4, 5]
    assert first.scored.owners.tolist() == [1] * 4
    assert first.scored.token_ids.tolist() == PROMPT[1:5]
    assert first.scored.num_entries.tolist() == [3] * 4
    second = launched(mirror, (scored, None))
    assert second.scored.token_ids.tolist() == PROMPT[5:]  # the last has no prompt token after it


def test_no_more_likeliest_tokens_are_asked_for_than_there_are() -> None:
    sequence = FakeSequence(1, [1, 2], [0], num_logprobs=5)
    mirror = host_mirror(LIMITS._replace(vocab_size=3))
    pending = launched(mirror, (sequence, None))
    assert pending.num_logprobs == [3]
    assert pending.num_sampled_entries.tolist() == [4]


def test_answer_is_remembered_though_the_sequence_is_gone() -> None:
    mirror = host_mirror()
    broken = FakeSequence(1, [LIMITS.vocab_size], [0])
    pending = launched(mirror, (broken, None))
    mirror.apply(RunBatch(8, [1], [], []))
    failure = pending.errors[0]
    assert failure is not None
    assert "not in the vocabulary" in failure.message
    assert pending.sequence_ids == [1]
