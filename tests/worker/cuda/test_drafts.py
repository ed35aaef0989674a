"""Drafts change how many tokens a step of the device gives, and nothing about the tokens."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch, ScheduledSequence
from forge_worker.constraints import Constraints
from forge_worker.cuda.device import Device
from forge_worker.cuda.precision import Precision
from forge_worker.sampler.sampler import ALL_RULED_OUT, NOT_FINITE
from tests.cuda_emulator import EmulatedDevice
from tests.cuda_emulator.delayed import DelayedDevice
from tests.worker.cuda.engines import Engine, engine_of, sizes_of
from tests.worker.cuda.test_runner import MODELS, Delayed, wait_for_one
from tests.worker.fakes import LIMITS, FakeSequence, step
from tests.worker.grammars import END, PERSON, constraints, is_person, text_of
from tests.worker.test_drafts import KINDS, PROMPT, DraftedSequence, Plain, assert_alike
from tests.worker.tiny_models import random_tensors, write_model_config

DRAFTING = LIMITS._replace(max_draft_tokens=8)
NUM_TOKENS = 24
MAX_STEPS = 60  # to the end of a grammar's text


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    """An engine is full of cycles, and an emulated device has no more memory than a real one."""
    yield
    gc.collect()


def drafting(
    device: Device,
    path: Path = MODELS / "qwen3",
    grammars: Constraints | None = None,
    *,
    precision: Precision = Precision.FLOAT32,
    is_deterministic: bool = False,
) -> Engine:
    sizes = sizes_of(path, precision, DRAFTING, is_deterministic=is_deterministic)
    return engine_of(device, path, sizes, grammars)


@pytest.fixture(scope="module")
def engine(device: Device) -> Engine:
    return drafting(device)


def said_by(engine: Engine, *sequences: DraftedSequence, num_tokens: int = NUM_TOKENS) -> int:
    """Until each has said so much; how many steps that took."""
    num_steps = 0
    while going := [each for each in sequences if len(each.output) < num_tokens]:
        step(engine, *going)
        num_steps += 1
        assert num_steps <= 2 * num_tokens
    engine.run(RunBatch(0, [each.sequence_id for each in sequences], [], []))
    engine.runner.use_spare_time()
    return num_steps


_PLAIN: dict[str, Plain] = {}


def plain(engine: Engine, kind: str) -> Plain:
    if kind not in _PLAIN:
        sequence = DraftedSequence(1, KINDS[kind], [], seed=0)
        assert said_by(engine, sequence) == NUM_TOKENS
        _PLAIN[kind] = Plain(sequence.output, sequence.logprobs)
    return _PLAIN[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_drafted_equals_plain(engine: Engine, kind: str) -> None:
    """Right drafts, wrong ones and half of each; from graphs and kernel by kernel."""
    expected = plain(engine, kind)
    for seed in range(2):
        sequence = DraftedSequence(1, KINDS[kind], expected.token_ids, seed)
        assert said_by(engine, sequence) < NUM_TOKENS
        assert sequence.output[:NUM_TOKENS] == expected.token_ids
        assert_alike(sequence.logprobs[:NUM_TOKENS], expected.logprobs[:NUM_TOKENS])


def test_right_drafts_are_all_accepted_and_wrong_ones_cost_nothing(engine: Engine) -> None:
    truth = plain(engine, "penalties").token_ids
    sequence = DraftedSequence(1, KINDS["penalties"], truth, seed=0)
    sequence.drafts = lambda: truth[len(sequence.output) :][:8]  # type: ignore[method-assign]
    assert said_by(engine, sequence) == 1 + -(-(NUM_TOKENS - 1) // 9)
    wrong = DraftedSequence(1, KINDS["penalties"], truth, seed=0)
    wrong.drafts = (
        lambda: [  # type: ignore[method-assign]
            (token + 1) % 40 for token in truth[len(wrong.output) :][:8]
        ]
    )
    assert said_by(engine, wrong) == NUM_TOKENS
    assert sequence.output[:NUM_TOKENS] == wrong.output == truth


def test_drafted_and_plain_sequences_share_steps(engine: Engine) -> None:
    kinds = ["penalties", "greedy", "bad words", "logprobs"]
    expected = [plain(engine, kind) for kind in kinds]
    sequences = [
        DraftedSequence(number, KINDS[kind], known.token_ids if number != 2 else [], number)
        for number, (kind, known) in enumerate(zip(kinds, expected, strict=True))
    ]
    said_by(engine, *sequences)
    for sequence, known in zip(sequences, expected, strict=True):
        assert sequence.output[:NUM_TOKENS] == known.token_ids


def test_drafts_beside_a_prompt_that_is_computed_in_chunks(engine: Engine) -> None:
    truth, other = (plain(engine, kind).token_ids for kind in ("penalties", "prompt logprobs"))
    one = DraftedSequence(1, KINDS["penalties"], truth, seed=1)
    step(engine, one)
    chunked = FakeSequence(2, PROMPT, list(range(32, 48)), **KINDS["prompt logprobs"])
    for _ in range(4):
        new = [] if chunked.num_sent_blocks else [chunked.introduction()]
        parts = [chunked.schedule(3 if chunked.num_computed < 9 else None), one.schedule()]
        output = engine.run(RunBatch(0, [], new, parts))
        chunked.take(output.sequences[0])
        one.take(output.sequences[1])
    assert chunked.output == other[:1]
    said_by(engine, one)
    engine.run(RunBatch(0, [2], [], []))
    assert one.output[:NUM_TOKENS] == truth


def test_preempted_after_drafts_equals_plain(engine: Engine) -> None:
    expected = plain(engine, "penalties")
    sequence = DraftedSequence(1, KINDS["penalties"], expected.token_ids, 5)
    for _ in range(4):
        step(engine, sequence)
    sequence.start_over(list(range(40, 56)))
    said_by(engine, sequence)
    assert sequence.output[:NUM_TOKENS] == expected.token_ids


@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe"])
def test_in_deterministic_mode_drafts_change_no_token(device: Device, name: str) -> None:
    """In half precision, on tensor cores, whose tiles hold a sequence's drafts together."""
    path = MODELS / name
    engine = drafting(device, path, precision=Precision.FLOAT16, is_deterministic=True)
    params = {"temperature": 0.9, "frequency_penalty": 0.3}
    first = DraftedSequence(1, params, [], seed=0)
    said_by(engine, first, num_tokens=12)
    other = DraftedSequence(2, params, [], seed=0)
    for seed in range(2):
        sequence = DraftedSequence(1, params, first.output, seed)
        said_by(engine, *[sequence, other][: seed + 1], num_tokens=12)
        assert sequence.output[:12] == first.output


def test_singles_and_tiles_of_tensor_cores_share_a_graph(device: Device) -> None:
    """One with drafts, one without, and padding for those that are not there."""
    engine = drafting(device, precision=Precision.FLOAT16)
    params = {"temperature": 0.0}
    truth = DraftedSequence(1, params, [], seed=0)
    said_by(engine, truth, num_tokens=12)
    for _ in range(3):
        drafted = DraftedSequence(1, params, truth.output, seed=3)
        beside = DraftedSequence(2, params, [], seed=0)
        said_by(engine, beside, drafted, num_tokens=12)
        assert drafted.output[:12] == beside.output == truth.output


def test_drafts_may_follow_a_token_that_is_still_in_flight(engine: Engine) -> None:
    """The step ahead is not answered yet; nor is the step of another that is queued behind."""
    truth = plain(engine, "penalties").token_ids
    behind = drafting(DelayedDevice())
    sequence = FakeSequence(1, PROMPT, list(range(16)), **KINDS["penalties"])
    other = FakeSequence(2, PROMPT, list(range(16, 32)), **KINDS["penalties"])
    new = [sequence.introduction(), other.introduction()]
    parts = [sequence.schedule(), other.schedule()]
    behind.runner.launch(RunBatch(0, [], new, parts))
    drafted = ScheduledSequence(1, len(PROMPT), 4, [3], True, [truth[1], truth[2], 39])
    behind.runner.launch(RunBatch(1, [], [], [drafted, other.schedule()]))
    behind.runner.launch(RunBatch(2, [], [], [other.schedule()]))
    outputs: list[BatchOutput] = []
    while len(outputs) < 3:
        outputs += wait_for_one(behind)
    assert outputs[0].sequences[0].token_ids == truth[:1]
    assert outputs[1].sequences[0].token_ids == truth[1:4]
    assert [part.token_ids for output in outputs for part in output.sequences[-1:]] == [
        [token] for token in truth[:3]
    ]
    last = ScheduledSequence(1, len(PROMPT) + 3, 1, [], True)
    behind.runner.launch(RunBatch(3, [], [], [last]))
    assert wait_for_one(behind)[0].sequences[0].token_ids == truth[4:5]


def test_a_sequence_released_while_its_drafts_are_in_flight_leaves_its_row_to_another(
    engine: Engine,
) -> None:
    truth = plain(engine, "greedy").token_ids
    behind = drafting(DelayedDevice())
    sequence = DraftedSequence(1, KINDS["greedy"], [], seed=0)
    first = RunBatch(0, [], [sequence.introduction()], [sequence.schedule()])
    behind.runner.launch(first)
    sequence.take(wait_for_one(behind)[0].sequences[0])
    sequence.drafts = lambda: truth[1:4]  # type: ignore[method-assign]
    behind.runner.launch(RunBatch(1, [], [], [sequence.schedule()]))
    heir = FakeSequence(2, PROMPT, list(range(16)), **KINDS["greedy"])
    behind.runner.launch(RunBatch(2, [1], [heir.introduction()], [heir.schedule()]))
    outputs = [*wait_for_one(behind), *wait_for_one(behind)]
    assert outputs[0].sequences[0].token_ids == truth[1:5]
    heir.take(outputs[1].sequences[0])
    for step_id in range(5):
        behind.runner.launch(RunBatch(step_id, [], [], [heir.schedule()]))
        heir.take(wait_for_one(behind)[0].sequences[0])
    assert heir.output == truth[:6]


def test_drafts_beyond_the_rows_of_a_step_are_left_out(engine: Engine) -> None:
    """Nine rows: the first has room for five drafts, the other for none."""
    truth = plain(engine, "greedy").token_ids
    sequences = [DraftedSequence(number, KINDS["greedy"], truth, 0) for number in (1, 2)]
    step(engine, *sequences)
    for each in sequences:
        each.drafts = lambda: truth[1:8]  # type: ignore[method-assign]
    third = FakeSequence(3, PROMPT, list(range(48, 64)), **KINDS["greedy"])
    parts = [each.schedule() for each in (*sequences, third)]
    output = engine.run(RunBatch(0, [], [third.introduction()], parts))
    assert [part.token_ids for part in output.sequences] == [truth[1:8], truth[1:2], truth[:1]]
    for each, part in zip((*sequences, third), output.sequences, strict=True):
        each.take(part)
    said_by(engine, *sequences)
    engine.run(RunBatch(0, [3], [], []))
    assert [each.output[:NUM_TOKENS] for each in sequences] == [truth] * 2


def test_error_after_accepted_drafts_comes_in_a_step_of_its_own(engine: Engine) -> None:
    """As in plain decoding, where the tokens before it were answered."""
    params = {"allowed_token_ids": (5,), "bad_words": ((5, 5, 5),)}
    sequence = DraftedSequence(1, params, [], seed=0)
    step(engine, sequence)
    sequence.drafts = lambda: [5, 5, 5]  # type: ignore[method-assign]
    step(engine, sequence)
    assert sequence.output == [5, 5]
    part = ScheduledSequence(1, len(PROMPT) + 1, 1, [], True)
    error = engine.run(RunBatch(1, [], [], [part])).sequences[0].error
    engine.run(RunBatch(0, [1], [], []))
    assert error is not None
    assert (error.code, error.param) == (ALL_RULED_OUT.code, "allowed_token_ids")


BROKEN_TOKEN = 39


@pytest.fixture(scope="module")
def broken_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for which one token is not a number, with heads that tensor cores take."""
    directory = tmp_path_factory.mktemp("broken")
    tensors = random_tensors(write_model_config(directory, head_dim=16))
    tensors["model.embed_tokens.weight"][BROKEN_TOKEN] = np.nan
    save_file(tensors, directory / "model.safetensors")
    return directory


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.FLOAT16])
def test_draft_that_is_not_finite_fails_nobody(
    device: Device, broken_model: Path, precision: Precision
) -> None:
    """In a tile its values are seen with weight 0, and 0 · NaN is NaN. Then it is not drafted for
    any more, and its step is done again."""
    params = {"temperature": 0.0, "bad_words": ((BROKEN_TOKEN,),)}
    outputs = []
    engine = drafting(device, broken_model, precision=precision)
    for drafts in ([], [BROKEN_TOKEN] * 2, [BROKEN_TOKEN]):
        one = DraftedSequence(1, params, [], seed=0)
        other = DraftedSequence(2, {**params, "seed": 3}, [], seed=0)
        one.drafts = lambda drafts=drafts: drafts  # type: ignore[method-assign]
        num_delays = 0
        for _ in range(7):
            answers = step(engine, one, other).sequences
            num_delays += answers[0].is_delayed
            assert not answers[1].is_delayed
        assert num_delays == (precision is Precision.FLOAT16 and len(drafts) > 0)
        engine.run(RunBatch(0, [1, 2], [], []))
        outputs.append((one.output[:6], other.output))
    assert outputs[0] == outputs[1] == outputs[2]


@pytest.mark.parametrize("precision", [Precision.FLOAT32, Precision.FLOAT16])
def test_sequence_that_is_not_finite_itself_fails_with_drafts_as_without(
    device: Device, broken_model: Path, precision: Precision
) -> None:
    """The token was drafted and came; it is given, and the step behind it fails."""
    engine = drafting(device, broken_model, precision=precision)
    params = {"temperature": 0.0, "logit_bias": {BROKEN_TOKEN: 100.0}}
    sequence = DraftedSequence(1, {**params, "min_tokens": 0}, [], seed=0)
    sequence.drafts = list  # type: ignore[method-assign]
    step(engine, sequence)
    assert sequence.output == [BROKEN_TOKEN]
    sequence.drafts = lambda: [3, 4]  # type: ignore[method-assign]
    first = engine.run(RunBatch(0, [], [], [sequence.schedule()])).sequences[0]
    assert first.is_delayed
    assert first.error is None
    again = engine.run(RunBatch(0, [], [], [sequence.schedule()])).sequences[0]
    engine.run(RunBatch(0, [1], [], []))
    assert again.error == NOT_FINITE


GRAMMAR = {"grammar": PERSON, "temperature": 1.5, "eos_token_ids": (END,)}


@cache
def constrained(seed: int) -> tuple[int, ...]:
    engine = drafting(EmulatedDevice(), MODELS / "llama3", constraints())
    return tuple(said_to_the_end(engine, DraftedSequence(1, {**GRAMMAR, "seed": seed}, [], 0)).said)


class Ended:
    def __init__(self, said: list[int], num_steps: int, forced: list[list[int]]) -> None:
        self.said = said
        self.num_steps = num_steps
        self.forced = forced


def said_to_the_end(engine: Engine, sequence: DraftedSequence) -> Ended:
    num_steps, forced = 0, []
    while END not in sequence.output:
        assert num_steps < MAX_STEPS
        forced += [part.forced_token_ids for part in step(engine, sequence).sequences]
        engine.runner.use_spare_time()
        num_steps += 1
    engine.run(RunBatch(0, [1], [], []))
    return Ended(sequence.output[: sequence.output.index(END) + 1], num_steps, forced)


@pytest.fixture(scope="module")
def constrained_engine(device: Device) -> Engine:
    return drafting(device, MODELS / "llama3", constraints())


@pytest.mark.parametrize("seed", range(3))
def test_drafts_of_a_grammar_are_masked_position_by_position(
    constrained_engine: Engine, seed: int
) -> None:
    """Right ones, wrong ones that it allows or not, and ones past its end."""
    expected = [*constrained(seed)]
    params = {**GRAMMAR, "seed": seed}
    sequence = DraftedSequence(1, params, [*expected, END, 5, 5], seed)
    ended = said_to_the_end(constrained_engine, sequence)
    assert ended.said == expected
    assert is_person(text_of(expected[:-1]))
    assert ended.num_steps < len(expected)


def test_what_is_foretold_can_be_drafted(constrained_engine: Engine) -> None:
    """As the scheduler does it."""
    expected = [*constrained(1)]
    sequence = DraftedSequence(1, {**GRAMMAR, "seed": 1}, [], 0)
    foretold: list[int] = []
    sequence.drafts = lambda: foretold  # type: ignore[method-assign]
    num_steps = 0
    while END not in sequence.output:
        assert num_steps < MAX_STEPS
        (answer,) = step(constrained_engine, sequence).sequences
        foretold = answer.forced_token_ids
        num_steps += 1
    constrained_engine.run(RunBatch(0, [1], [], []))
    assert sequence.output[: sequence.output.index(END) + 1] == expected
    assert num_steps < len(expected)


def test_drafts_of_grammars_that_are_worked_out_in_turns(device: Device) -> None:
    """Some sit steps out with all their drafts; of others only the first masks are there."""
    expected = [*constrained(2)]
    slow = Delayed(constraints())
    engine = drafting(device, MODELS / "llama3", slow)
    params = {**GRAMMAR, "seed": 2}
    sequence = DraftedSequence(1, params, [*expected, END], 2)
    other = DraftedSequence(2, {"temperature": 0.0}, [], 0)
    for _ in range(MAX_STEPS):
        if END in sequence.output:
            break
        step(engine, other, sequence)
    assert sequence.output[: sequence.output.index(END) + 1] == expected
    assert slow.num_delays > 2


class Impatient(Constraints):
    """Has no time to look behind more than one draft."""

    def masks_behind(self, row: int, token_ids: Iterable[int]) -> list[np.ndarray]:
        return super().masks_behind(row, list(token_ids)[:1])


def test_drafts_behind_which_it_takes_long_to_see_are_left_out(device: Device) -> None:
    expected = [*constrained(2)]
    grammars = Impatient(constraints()._make_engine)
    engine = drafting(device, MODELS / "llama3", grammars)
    sequence = DraftedSequence(1, {**GRAMMAR, "seed": 2}, expected, 2)
    ended = said_to_the_end(engine, sequence)
    assert ended.said == expected
    assert ended.num_steps < len(expected)
