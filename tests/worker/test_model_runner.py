"""The runner over a model that notices any wrong token, position, slot or block."""

from __future__ import annotations

import numpy as np
import pytest

from forge_common.errors import WorkerError
from forge_common.protocol.scheduler_worker import RunBatch, ScheduledSequence
from forge_worker.model_runner import ModelRunner
from forge_worker.ops.protocol import KVLayer
from forge_worker.sampler.sampler import NOT_FINITE
from tests.worker.fakes import (
    LIMITS,
    FakeModel,
    FakeSequence,
    fake_cache,
    fake_runner,
    generate,
    new_sequence,
    no_grammars,
    step,
)

PROMPT = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
FILTERED = {"temperature": 0.8, "top_k": 20, "top_p": 0.95}
KINDS = [{}, {"temperature": 0.0}, FILTERED, {"frequency_penalty": 1.5, "min_p": 0.05}]


def alone(**params) -> list[int]:
    sequence = FakeSequence(1, PROMPT, list(range(10)), **params)
    generate(fake_runner(), sequence)
    return sequence.output


@pytest.mark.parametrize("params", KINDS)
def test_batch_equals_alone(params) -> None:
    other = FakeSequence(2, [7] * 9, list(range(20, 40)), **FILTERED)
    third = FakeSequence(5, [8], list(range(40, 60)), seed=3)
    sequence = FakeSequence(1, PROMPT, [9, 13, 2, 5, 11, 6], **params)
    generate(fake_runner(), other, sequence, third)
    assert sequence.output == alone(**params)


@pytest.mark.parametrize("params", KINDS)
@pytest.mark.parametrize("chunk", [1, 3, 4, 10])
def test_chunked_equals_whole(params, chunk) -> None:
    runner, sequence = fake_runner(), FakeSequence(1, PROMPT, list(range(10)), **params)
    step(runner, sequence, num_tokens=chunk)
    while sequence.num_computed < len(PROMPT):
        step(runner, sequence, num_tokens=min(chunk, len(PROMPT) - sequence.num_computed))
    generate(runner, sequence, num_tokens=7)
    assert sequence.output == alone(**params)


@pytest.mark.parametrize("params", KINDS)
@pytest.mark.parametrize("is_released", [True, False])
def test_preempted_and_resent_sequence_continues_the_same(params, is_released) -> None:
    runner, sequence = fake_runner(), FakeSequence(1, PROMPT, list(range(10)), **params)
    generate(runner, sequence, num_tokens=3)
    if is_released:
        runner.run(RunBatch(0, [1], [], []))
    sequence.start_over(list(range(30, 40)))
    generate(runner, sequence, num_tokens=5)
    assert sequence.output == alone(**params)


def test_rows_are_reused_after_release() -> None:
    runner = fake_runner()
    for sequence_id in range(1, 3 * LIMITS.max_batch_size):
        sequence = FakeSequence(sequence_id, PROMPT, list(range(10)))
        generate(runner, sequence)
        runner.run(RunBatch(0, [sequence_id], [], []))
        assert sequence.output == alone()


def test_step_sent_before_the_last_was_read_feeds_its_own_token_forward() -> None:
    runner, sequence = fake_runner(), FakeSequence(1, PROMPT, list(range(10)))
    new = [sequence.introduction()]
    batches = [RunBatch(0, [], new, [sequence.schedule()])]
    batches += [RunBatch(i, [], [], [sequence.schedule()]) for i in range(1, 8)]
    outputs = [runner.run(batch).sequences[0].token_ids[0] for batch in batches]
    assert outputs == alone()


def test_cached_prefix_is_read_from_other_sequences_blocks() -> None:
    runner, first = fake_runner(), FakeSequence(1, PROMPT, list(range(10)))
    step(runner, first)
    second = FakeSequence(2, PROMPT, [0, 1, 20, 21, 22, 23])
    part = ScheduledSequence(2, 8, 3, [0, 1, 20], True)
    output = runner.run(RunBatch(0, [], [second.introduction()], [part]))
    assert output.sequences[0].token_ids == first.output


def test_row_that_is_not_finite_fails_alone() -> None:
    runner = fake_runner(FakeModel(broken_token=49))
    good, bad = FakeSequence(1, PROMPT, list(range(10))), FakeSequence(2, [1, 49], [20])
    output = step(runner, bad, good)
    assert [s.error for s in output.sequences] == [NOT_FINITE, None]
    assert good.output == alone()[:1]
    assert output.sequences[0].token_ids == []


def test_failed_sequence_answers_its_error_in_the_step_already_sent() -> None:
    runner = fake_runner(FakeModel(broken_token=49))
    bad = FakeSequence(2, [1, 49], [20])
    step(runner, bad)
    assert step(runner, bad).sequences[0].error == NOT_FINITE


def test_chunk_that_is_not_finite_fails_before_it_can_be_shared() -> None:
    runner = fake_runner(FakeModel(broken_token=49))
    bad, good = FakeSequence(2, [1, 49, 3, 4], [20]), FakeSequence(1, PROMPT, list(range(10)))
    output = step(runner, bad, good, num_tokens=2)
    assert [s.error for s in output.sequences] == [NOT_FINITE, None]


def test_next_owner_of_a_failed_sequences_blocks_finds_them_finite() -> None:
    keys = np.full((LIMITS.num_blocks, 2), np.nan)
    keys[20, 0] = 5.0
    cache = fake_cache()._replace(layers=(KVLayer(keys, keys.copy()),))
    runner = ModelRunner(FakeModel(broken_token=49), cache, LIMITS, no_grammars())
    step(runner, FakeSequence(2, [1, 49], [20]))
    runner.run(RunBatch(0, [2], [], []))
    assert keys[20].tolist() == [5.0, 0.0]
    assert np.isnan(keys[21]).all()


def test_sequence_with_token_beyond_vocabulary_fails_alone() -> None:
    runner, good = fake_runner(), FakeSequence(1, PROMPT, list(range(10)))
    output = step(runner, good, FakeSequence(2, [1, LIMITS.vocab_size], [20]))
    assert "token 50 is not in the vocabulary" in output.sequences[1].error.message
    assert good.output == alone()[:1]


def test_released_error_does_not_outlive_its_sequence() -> None:
    runner = fake_runner(FakeModel(broken_token=49))
    step(runner, FakeSequence(2, [1, 49], [20]))
    good = FakeSequence(2, PROMPT, list(range(10)))
    assert step(runner, good).sequences[0].error is None


def test_step_without_sequences_answers_nothing() -> None:
    assert fake_runner().run(RunBatch(9, [], [], [])).sequences == []


def test_answers_carry_step_and_sequence_ids_in_order() -> None:
    runner = fake_runner()
    new = [new_sequence(11, [1, 2]), new_sequence(5, [3])]
    parts = [ScheduledSequence(5, 0, 1, [0], True), ScheduledSequence(11, 0, 1, [1], False)]
    output = runner.run(RunBatch(77, [], new, parts))
    assert output.step_id == 77
    assert [(s.sequence_id, len(s.token_ids)) for s in output.sequences] == [(5, 1), (11, 0)]


def test_choices_of_one_seed_differ() -> None:
    runner, outputs = fake_runner(), []
    for choice_index in range(3):
        sequence = FakeSequence(choice_index, PROMPT, list(range(10)))
        new = sequence.introduction()
        new = type(new)(new.sequence_id, choice_index, new.token_ids, 11, new.sampling)
        runner.run(RunBatch(0, [], [new], [sequence.schedule()]))
        outputs.append(
            [
                runner.run(RunBatch(0, [], [], [sequence.schedule()])).sequences[0].token_ids[0]
                for _ in range(6)
            ]
        )
    assert len({tuple(output) for output in outputs}) == 3


def test_contract_breach_is_a_worker_error() -> None:
    with pytest.raises(WorkerError, match="unknown"):
        fake_runner().run(RunBatch(0, [], [], [ScheduledSequence(1, 0, 1, [0], True)]))
