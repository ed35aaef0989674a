"""ForwardInputs of a step, against what they mean."""

from __future__ import annotations

import numpy as np

from forge_common.protocol.scheduler_worker import RunBatch, ScheduledSequence
from forge_worker.batch_inputs import BatchInputs, build_inputs
from forge_worker.forward_inputs import ForwardInputs
from tests.worker.fakes import host_mirror, new_sequence

FIRST, SECOND = list(range(10, 21)), [30, 31]


def inputs_of(*parts: ScheduledSequence, scored: list[bool] | None = None) -> BatchInputs:
    """Of a step over a sequence 1 of eleven tokens and a sequence 2 of two."""
    mirror = host_mirror()
    new = [new_sequence(1, FIRST, num_output=2), new_sequence(2, SECOND)]
    scheduled = mirror.apply(RunBatch(0, [], new, list(parts)))
    return build_inputs(mirror, scheduled, np.array(scored or [False] * len(parts), np.bool_))


def mixed(scored: list[bool] | None = None) -> BatchInputs:
    """Five tokens out of the middle of the first sequence, and all of the second."""
    return inputs_of(
        ScheduledSequence(1, 3, 5, [7, 2], False),
        ScheduledSequence(2, 0, 2, [5], True),
        scored=scored,
    )


def test_tokens_and_positions_lie_one_sequence_behind_the_other() -> None:
    forward = mixed().forward
    assert forward.token_ids.tolist() == [13, 14, 15, 16, 17, 30, 31]
    assert forward.positions.tolist() == [3, 4, 5, 6, 7, 0, 1]
    assert forward.query_starts.tolist() == [0, 5, 7]
    assert forward.context_lens.tolist() == [8, 2]


def test_slots_follow_the_block_tables() -> None:
    forward = mixed().forward
    assert forward.slot_mapping.tolist() == [31, 8, 9, 10, 11, 20, 21]
    assert forward.block_tables.tolist() == [[7, 2], [5, 0]]


def test_rows_that_sample_stand_before_the_ends_of_other_chunks() -> None:
    inputs = mixed()
    assert inputs.forward.logit_rows.tolist() == [6, 4]
    assert inputs.sampling.tolist() == [1]
    assert inputs.unfinished.tolist() == [0]


def test_scored_rows_stand_before_those_that_sample() -> None:
    inputs = mixed(scored=[True, True])
    assert inputs.forward.logit_rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 4]
    assert inputs.scored_of.tolist() == [0, 0, 0, 0, 0, 1]


def test_only_prompt_tokens_are_scored() -> None:
    inputs = inputs_of(ScheduledSequence(1, 6, 5, [7, 2, 3], True), scored=[True])
    assert inputs.scored_rows.tolist() == [0, 1]  # positions 6 and 7 score tokens 7 and 8 of nine


def test_dtypes_are_those_models_rely_on() -> None:
    forward = mixed().forward
    for name in ("token_ids", "positions", "query_starts", "context_lens", "block_tables"):
        assert getattr(forward, name).dtype == np.int32
    assert forward.logit_rows.dtype == np.int32
    assert forward.slot_mapping.dtype == np.int64


def test_step_of_nothing_has_empty_inputs() -> None:
    forward = inputs_of().forward
    assert (forward.num_tokens, forward.num_sequences) == (0, 0)
    assert forward.query_starts.tolist() == [0]


def test_step_of_last_tokens_is_no_special_case() -> None:
    last = [ScheduledSequence(1, 10, 1, [7, 2, 3], True), ScheduledSequence(2, 1, 1, [5], True)]
    plain, general = inputs_of(*last), inputs_of(*last, scored=[True, True])
    for name in ("scored_rows", "scored_of", "sampling", "sampled_starts", "unfinished"):
        ours, expected = getattr(plain, name), getattr(general, name)
        assert (ours.tolist(), ours.dtype) == (expected.tolist(), expected.dtype)
    for name in ForwardInputs.__annotations__:
        ours, expected = getattr(plain.forward, name), getattr(general.forward, name)
        assert (ours.tolist(), ours.dtype) == (expected.tolist(), expected.dtype)
