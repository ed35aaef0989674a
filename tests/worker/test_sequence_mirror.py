"""The mirror takes in deltas, and refuses what breaks the contract before it does harm."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.errors import WorkerError
from forge_common.protocol.scheduler_worker import RunBatch, ScheduledSequence
from forge_worker.sequence_mirror import SequenceMirror
from tests.worker.fakes import LIMITS, host_mirror, new_sequence

PROMPT = [5, 6, 7, 8, 9]


def scheduled(start=0, count=5, blocks=(3, 1), is_sampling=True, sequence_id=1):
    return ScheduledSequence(sequence_id, start, count, list(blocks), is_sampling)


def batch(*parts, new=(), released=()) -> RunBatch:
    return RunBatch(0, list(released), list(new), list(parts))


def mirror_with(token_ids=PROMPT) -> SequenceMirror:
    mirror = host_mirror()
    mirror.apply(batch(new=[new_sequence(1, token_ids)]))
    return mirror


def test_learns_tokens_and_blocks_of_a_new_sequence() -> None:
    mirror = mirror_with()
    found = mirror.apply(batch(scheduled()))
    row = int(found.rows[0])
    assert mirror.token_ids.row(row).tolist() == PROMPT
    assert mirror.block_tables.row(row).tolist() == [3, 1]
    assert found.context_lens.tolist() == [5]


def test_appended_token_is_known_to_the_next_step() -> None:
    mirror = mirror_with()
    rows = mirror.apply(batch(scheduled())).rows
    mirror.append(rows, np.array([42]))
    mirror.apply(batch(scheduled(start=5, count=1, blocks=())))
    assert mirror.token_ids.row(int(rows[0])).tolist() == [*PROMPT, 42]


def test_known_id_sent_anew_starts_afresh() -> None:
    mirror = mirror_with()
    mirror.apply(batch(scheduled()))
    mirror.apply(batch(scheduled(count=2, blocks=[9]), new=[new_sequence(1, [1, 2])]))
    (row,) = mirror.params
    assert mirror.token_ids.row(row).tolist() == [1, 2]
    assert mirror.block_tables.row(row).tolist() == [9]


def test_release_and_new_of_the_same_step_share_a_row() -> None:
    mirror = host_mirror()
    everyone = [new_sequence(i, PROMPT) for i in range(LIMITS.max_batch_size)]
    mirror.apply(batch(new=everyone))
    mirror.apply(batch(new=[new_sequence(99, PROMPT)], released=[3]))
    assert len(mirror.params) == LIMITS.max_batch_size


def test_unknown_release_is_nothing_to_forget() -> None:
    mirror_with().apply(batch(released=[77]))


def test_blocks_of_a_failed_sequence_are_handed_over_when_it_is_released() -> None:
    mirror = mirror_with()
    rows = mirror.apply(batch(scheduled())).rows
    mirror.fail(int(rows[0]), "broken")
    assert mirror.take_tainted_block_ids() == []
    mirror.apply(batch(released=[1]))
    assert mirror.take_tainted_block_ids() == [3, 1]
    assert mirror.take_tainted_block_ids() == []


def test_rules_of_a_released_sequence_are_forgotten() -> None:
    mirror = host_mirror()
    mirror.apply(batch(new=[new_sequence(1, PROMPT, min_tokens=3)]))
    assert len(mirror.sampling.rules) == 1
    mirror.apply(batch(released=[1]))
    assert not mirror.sampling.rules


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (scheduled(sequence_id=2), "sequence 2 is scheduled but unknown"),
        (scheduled(blocks=[0, LIMITS.num_blocks]), "block 64 is not one of 64"),
        (scheduled(blocks=[1]), "no block"),
        (scheduled(blocks=range(17)), "more blocks than it may need"),
        (scheduled(count=6), "more tokens .* than are known"),
        (scheduled(start=2**52, count=1), "more tokens .* than are known"),
        (scheduled(count=2**31 - 1), "more tokens .* than are known"),
        (scheduled(is_sampling=False), "must sample exactly"),
        (scheduled(count=4, blocks=[0], is_sampling=True), "must sample exactly"),
    ],
)
def test_impossible_step_is_refused(part, reason) -> None:
    with pytest.raises(WorkerError, match=reason):
        mirror_with().apply(batch(part))


def test_sequence_scheduled_twice_is_refused() -> None:
    with pytest.raises(WorkerError, match="twice"):
        mirror_with().apply(batch(scheduled(), scheduled(blocks=[])))


def test_more_sequences_than_rows_are_refused() -> None:
    too_many = [new_sequence(i, PROMPT) for i in range(LIMITS.max_batch_size + 1)]
    with pytest.raises(WorkerError, match="more than 8 sequences"):
        host_mirror().apply(batch(new=too_many))


@pytest.mark.parametrize("length", [0, LIMITS.max_model_len + 1])
def test_impossible_length_is_refused(length) -> None:
    with pytest.raises(WorkerError, match=f"has {length} tokens"):
        mirror_with([1] * length)


def test_full_context_may_sample_but_not_go_on() -> None:
    mirror = mirror_with([1] * LIMITS.max_model_len)
    found = mirror.apply(batch(scheduled(count=64, blocks=range(16))))
    mirror.append(found.rows, np.array([7]))
    with pytest.raises(WorkerError, match="more tokens"):
        mirror.apply(batch(scheduled(start=64, count=1, blocks=())))


@pytest.mark.parametrize(
    "params",
    [
        {"logit_bias": {50: 1.0}},
        {"stop_token_ids": (50,)},
        {"eos_token_ids": (50,)},
        {"allowed_token_ids": (1, 50)},
        {"bad_words": ((1, 50),)},
    ],
)
def test_token_beyond_the_vocabulary_fails_its_sequence_alone(params) -> None:
    mirror = host_mirror()
    mirror.apply(batch(new=[new_sequence(1, PROMPT, **params), new_sequence(2, PROMPT)]))
    (reason,) = mirror.failures.values()
    assert reason.message == f"{next(iter(params))}: token 50 is not in the vocabulary of 50"
