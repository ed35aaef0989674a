"""Models with random weights put out what their grammar says, whatever they would rather say."""

from __future__ import annotations

from pathlib import Path

import pytest

from forge_common.config import DeviceSettings
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_model
from tests.worker.fakes import LIMITS, FakeSequence, step
from tests.worker.grammars import END, PERSON, VOCAB_SIZE, constraints, is_person, text_of

MODEL = Path(__file__).parent.parent / "golden" / "models" / "llama3"
PROMPT = [3, 14, 15, 9, 26]
MAX_TOKENS = 50


def runner() -> ModelRunner:
    model = load_model(
        MODEL, DeviceSettings(threads=1, cpu_kernels="numpy"), lambda done, total: None
    )
    limits = LIMITS._replace(vocab_size=VOCAB_SIZE)
    cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
    return ModelRunner(model, cache, limits, constraints())


def finish(runner: ModelRunner, *sequences: FakeSequence) -> list[list[int]]:
    """Until each has put out an end, which is left away."""
    for _ in range(MAX_TOKENS):
        running = [sequence for sequence in sequences if END not in sequence.output]
        if not running:
            break
        released = [s.sequence_id for s in sequences if s not in running and s.num_sent_blocks]
        step(runner, *running, released=released)
    return [sequence.output[: sequence.output.index(END)] for sequence in sequences]


def sequence_of(sequence_id: int, **params: object) -> FakeSequence:
    blocks = list(range(16 * sequence_id, 16 * sequence_id + 16))
    return FakeSequence(sequence_id, PROMPT, blocks, grammar=PERSON, **params)


@pytest.mark.parametrize("seed", range(8))
def test_every_text_is_one_of_the_grammar_also_when_hot(seed: int) -> None:
    (output,) = finish(runner(), sequence_of(1, seed=seed, temperature=1.5))
    assert is_person(text_of(output))


@pytest.mark.parametrize("params", [{"temperature": 0.0}, {"top_k": 1}, {"top_p": 0.1}])
def test_filters_choose_among_what_is_allowed(params: dict[str, float]) -> None:
    (output,) = finish(runner(), sequence_of(1, frequency_penalty=0.5, **params))
    assert is_person(text_of(output))


def test_batch_equals_alone_and_plain_sequences_are_not_held_to_it() -> None:
    (alone,) = finish(runner(), sequence_of(1, seed=5))
    mixed, sequence = runner(), sequence_of(1, seed=5)
    plain = FakeSequence(2, [7], list(range(32, 48)), seed=3)
    for _ in range(6):
        step(mixed, plain, sequence)
    (output,) = finish(mixed, sequence)
    assert output == alone
    with pytest.raises(ValueError, match=r"Expecting|Extra"):
        is_person(text_of(plain.output))


def test_preempted_sequence_goes_on_in_its_grammar() -> None:
    (undisturbed,) = finish(runner(), sequence_of(1, seed=4))
    resumed, sequence = runner(), sequence_of(1, seed=4)
    for _ in range(5):
        step(resumed, sequence)
    sequence.start_over(list(range(40, 56)))
    assert finish(resumed, sequence) == [undisturbed]
