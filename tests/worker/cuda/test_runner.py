"""The device's worker gives the tokens of the CPU's, however a request is run.

Kernels are emulated; in float32 the two workers must agree token by token and to the last digits
of a logprob.
"""

from __future__ import annotations

import gc
import random
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from forge_common.checkpoint import Checkpoint
from forge_common.config import DeviceSettings
from forge_common.errors import WorkerError
from forge_common.protocol.scheduler_worker import BatchOutput, RunBatch
from forge_worker.constraints import Constraints
from forge_worker.cpu import numpy_ops
from forge_worker.cpu.expert_rows import ExpertRows, by_expert
from forge_worker.cuda.device import Device
from forge_worker.cuda.layout import padding_bytes
from forge_worker.cuda.precision import Precision
from forge_worker.forward_inputs import FloatArray
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.masks import Masks
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import load_model
from forge_worker.ops.protocol import ExpertChoice
from forge_worker.sampler.sampler import NOT_FINITE
from tests.cuda_emulator.delayed import DelayedDevice
from tests.worker.cuda.engines import Engine, engine_of, sizes_of
from tests.worker.fakes import LIMITS, FakeSequence, generate, no_grammars, step
from tests.worker.grammars import END, PERSON, constraints, is_person, text_of
from tests.worker.tiny_models import random_tensors, write_model_config

MODELS = Path(__file__).parents[2] / "golden" / "models"


FAMILIES = sorted(path.name for path in MODELS.iterdir() if not path.name.endswith("16"))
WITH_ALL_OPERATIONS = ["qwen3", "gemma2", "olmo2", "granite", "cohere2", "mixtral", "qwen3_moe"]
PROMPT = [3, 14, 15, 9, 26, 53, 58, 9, 79, 32, 38]
NUM_TOKENS = 24
SAMPLED = {"temperature": 0.9, "top_p": 0.95, "frequency_penalty": 0.3, "seed": 11}
GREEDY = {"temperature": 0.0}
# Of logprobs: four roundings of logits that reach about 5, as those of the golden models do.
NEARLY = {Precision.BFLOAT16: 4 * 5 * 2.0**-8, Precision.FLOAT16: 4 * 5 * 2.0**-11}
# Of a router's scores, which reach about 2.5: likewise.
NEARLY_AS_GOOD = {precision: nearly / 2 for precision, nearly in NEARLY.items()}


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    """An engine is full of cycles, and an emulated device has no more memory than a real one."""
    yield
    gc.collect()


def on_cpu(name: str, grammars: Constraints | None = None) -> ModelRunner:
    model = load_model(
        MODELS / name,
        DeviceSettings(threads=1, cpu_kernels="numpy"),
        lambda done, total: None,
        LIMITS.max_model_len,
    )
    limits = LIMITS._replace(vocab_size=model.config.vocab_size)
    cache = allocate_kv_cache(model.config, model.ops, limits.num_blocks, limits.block_size)
    return ModelRunner(model, cache, limits, grammars or no_grammars())


def on_device(device: Device, name: str, precision: Precision = Precision.FLOAT32) -> Engine:
    return engine_of(device, MODELS / name, sizes_of(MODELS / name, precision))


def sequence_of(blocks: range = range(16), **params: object) -> FakeSequence:
    return FakeSequence(1, PROMPT, list(blocks), **params)


def output_of(runner: ModelRunner | Engine, **params: object) -> list[int]:
    sequence = sequence_of(**params)
    generate(runner, sequence, num_tokens=NUM_TOKENS)
    return sequence.output


@cache
def alone(name: str) -> list[int]:
    return output_of(on_cpu(name), **SAMPLED)


@pytest.mark.parametrize("name", FAMILIES)
def test_greedy_tokens_are_those_of_the_cpu(device: Device, name: str) -> None:
    assert output_of(on_device(device, name), **GREEDY) == output_of(on_cpu(name), **GREEDY)


@pytest.mark.parametrize("precision", [Precision.BFLOAT16, Precision.FLOAT16])
@pytest.mark.parametrize("name", FAMILIES)
def test_half_precision_leaves_the_tokens_of_the_cpu_only_where_two_are_nearly_as_likely(
    device: Device, name: str, precision: Precision, leads_of_experts: list[float]
) -> None:
    """Tensor cores and 16-bit activations; what differs by less than their rounding may win, and
    another expert may then make any difference."""
    asked = {**GREEDY, "num_logprobs": 20}
    engine, reference = on_device(device, name, precision), on_cpu(name)
    ours, theirs = sequence_of(**asked), sequence_of(**asked)
    for _ in range(NUM_TOKENS):
        found, expected = step(engine, ours).sequences[0], step(reference, theirs).sequences[0]
        if found.token_ids != expected.token_ids:
            (position,) = expected.logprobs
            chances = {entry.token_id: entry.logprob for entry in position.top}
            is_near = position.chosen.logprob - chances[found.token_ids[0]] < NEARLY[precision]
            assert is_near or min(leads_of_experts, default=1) < NEARLY_AS_GOOD[precision]
            break


@pytest.fixture
def leads_of_experts(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Of each row that the CPU sends through experts, how much better the last one taken scores
    than the first one left; nothing for models without experts."""
    leads: list[float] = []

    def observed(scores: FloatArray, choice: ExpertChoice) -> Iterator[ExpertRows]:
        ranked = -np.sort(-scores, axis=1)
        leads.extend(ranked[:, choice.num_chosen - 1] - ranked[:, choice.num_chosen])
        return by_expert(scores, choice)

    monkeypatch.setattr(numpy_ops, "by_expert", observed)
    return leads


@pytest.mark.parametrize("name", ["llama3", "mistral", "qwen3"])
def test_sampled_tokens_are_those_of_the_cpu(device: Device, name: str) -> None:
    assert output_of(on_device(device, name), **SAMPLED) == alone(name)


@pytest.fixture(scope="module")
def engine(device: Device) -> Engine:
    return on_device(device, "qwen3")


def test_batch_equals_alone(engine: Engine) -> None:
    sequence = sequence_of(range(63, 47, -1), **SAMPLED)
    others = [
        FakeSequence(i, [i, 50, 60][: i - 1], list(range(16 * (i - 2), 16 * (i - 1))), seed=i)
        for i in (2, 3, 4)
    ]
    generate(engine, *others[:2], sequence, others[2], num_tokens=NUM_TOKENS)
    engine.run(RunBatch(0, [1, 2, 3, 4], [], []))
    assert sequence.output == alone("qwen3")


def test_chunked_equals_whole_also_beside_others(engine: Engine) -> None:
    other = FakeSequence(9, [5, 6], list(range(20, 36)), seed=1)
    generate(engine, other, num_tokens=2)
    sequence = sequence_of(**SAMPLED)
    for _ in range(3):
        new = [] if sequence.num_sent_blocks else [sequence.introduction()]
        parts = [other.schedule(), sequence.schedule(3)]
        output = engine.run(RunBatch(0, [], new, parts))
        for each, sampled in zip((other, sequence), output.sequences, strict=True):
            each.take(sampled)
    generate(engine, other, sequence, num_tokens=NUM_TOKENS)
    engine.run(RunBatch(0, [1, 9], [], []))
    assert sequence.output == alone("qwen3")


def test_preempted_equals_undisturbed(engine: Engine) -> None:
    sequence = sequence_of(**SAMPLED)
    generate(engine, sequence, num_tokens=10)
    sequence.start_over(list(range(40, 56)))
    generate(engine, sequence, num_tokens=NUM_TOKENS - 10)
    engine.run(RunBatch(0, [1], [], []))
    assert sequence.output == alone("qwen3")


@pytest.mark.parametrize("name", ["qwen3", "qwen3_moe", "olmo2"])
def test_deterministic_mode_gives_the_same_however_a_request_is_run(
    device: Device, name: str
) -> None:
    """Also from graphs, which then run tiles."""
    sizes = sizes_of(MODELS / name, Precision.BFLOAT16, is_deterministic=True)
    engine = engine_of(device, MODELS / name, sizes)
    first = output_of(engine, **SAMPLED)
    engine.run(RunBatch(0, [1], [], []))
    engine.runner.use_spare_time()
    sequence, other = sequence_of(**SAMPLED), FakeSequence(2, [5, 6], list(range(20, 36)), seed=1)
    for _ in range(3):
        step(engine, sequence, num_tokens=3)
    generate(engine, sequence, other, num_tokens=9)
    sequence.start_over(list(range(40, 56)))
    generate(engine, sequence, num_tokens=NUM_TOKENS - 9)
    assert sequence.output == first


@pytest.mark.parametrize("name", WITH_ALL_OPERATIONS)
def test_graphs_equal_kernel_by_kernel(device: Device, name: str) -> None:
    engine = on_device(device, name)
    first = output_of(engine, **SAMPLED)
    engine.run(RunBatch(0, [1], [], []))
    engine.runner.use_spare_time()
    assert output_of(engine, **SAMPLED) == first == alone(name)
    three = [FakeSequence(i, PROMPT, list(range(16 * i, 16 * i + 16)), **SAMPLED) for i in range(3)]
    engine.run(RunBatch(0, [1], [], []))
    generate(engine, *three, num_tokens=4)
    engine.runner.use_spare_time()  # the graph of four rows, of which three are live
    generate(engine, *three, num_tokens=NUM_TOKENS - 4)
    assert [sequence.output for sequence in three] == [first] * 3


def test_logprobs_are_those_of_the_cpu(device: Device) -> None:
    asked = {**SAMPLED, "num_logprobs": 5, "num_prompt_logprobs": 3}
    outputs: list[list[BatchOutput]] = []
    for runner in (on_cpu("qwen3"), on_device(device, "qwen3")):
        sequence, plain = sequence_of(**asked), FakeSequence(2, [7], list(range(16, 32)))
        outputs.append([step(runner, sequence, plain) for _ in range(6)])
    for expected, found in zip(*outputs, strict=True):
        for wanted, given in zip(expected.sequences, found.sequences, strict=True):
            assert given.token_ids == wanted.token_ids
            assert_same_logprobs(given.logprobs, wanted.logprobs)
            assert_same_logprobs(given.prompt_logprobs, wanted.prompt_logprobs)


def assert_same_logprobs(found, expected) -> None:
    assert (found is None) == (expected is None)
    for given, wanted in zip(found or [], expected or [], strict=True):
        pairs = zip([given.chosen, *given.top], [wanted.chosen, *wanted.top], strict=True)
        for one, other in pairs:
            assert one.token_id == other.token_id
            assert one.logprob == pytest.approx(other.logprob, abs=1e-4)


def test_steps_may_be_launched_ahead_of_a_device_that_is_behind() -> None:
    """Nothing is done before it is waited for, and three steps are in flight all the time."""
    engine = on_device(DelayedDevice(), "qwen3")
    sequence, other = sequence_of(**SAMPLED), FakeSequence(2, [4, 4], list(range(16, 32)), seed=3)
    new = [sequence.introduction(), other.introduction()]
    outputs: list[BatchOutput] = []
    for step_id in range(NUM_TOKENS):
        parts = [sequence.schedule(), other.schedule()]
        engine.runner.launch(RunBatch(step_id, [], new, parts))
        new = []
        if step_id == 5:
            engine.runner.use_spare_time()
        if step_id >= 3:
            outputs += wait_for_one(engine)
    while len(outputs) < NUM_TOKENS:
        outputs += wait_for_one(engine)
    assert [output.step_id for output in outputs] == list(range(NUM_TOKENS))
    tokens = [output.sequences[0].token_ids[0] for output in outputs]
    assert tokens == alone("qwen3")


def wait_for_one(engine: Engine) -> list[BatchOutput]:
    engine.runner._in_flight[0].event.wait()
    return engine.runner.finished()


def test_a_row_given_to_another_sequence_does_not_change_a_step_in_flight() -> None:
    engine = on_device(DelayedDevice(), "qwen3")
    sequence = sequence_of(**SAMPLED)
    engine.runner.launch(RunBatch(0, [], [sequence.introduction()], [sequence.schedule()]))
    engine.runner.launch(RunBatch(1, [], [], [sequence.schedule()]))
    other = FakeSequence(2, [60, 61, 62], list(range(16, 32)), seed=5)
    engine.runner.launch(RunBatch(2, [1], [other.introduction()], [other.schedule()]))
    outputs = [*wait_for_one(engine), *wait_for_one(engine), *wait_for_one(engine)]
    assert [output.sequences[0].sequence_id for output in outputs] == [1, 1, 2]
    assert [output.sequences[0].token_ids[0] for output in outputs[:2]] == alone("qwen3")[:2]


def test_more_tokens_than_a_step_may_have_are_refused(engine: Engine) -> None:
    many = [FakeSequence(i, PROMPT, list(range(3 * i, 3 * i + 3))) for i in range(6)]
    new = [sequence.introduction() for sequence in many]
    with pytest.raises(WorkerError, match="66 tokens is over the 64 that --max-prefill-tokens"):
        engine.run(RunBatch(0, [], new, [sequence.schedule() for sequence in many]))


BROKEN_TOKEN = 33


@pytest.fixture(scope="module")
def broken_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for which one token is not a number."""
    directory = tmp_path_factory.mktemp("broken")
    tensors = random_tensors(write_model_config(directory))
    tensors["model.embed_tokens.weight"][BROKEN_TOKEN] = np.nan
    save_file(tensors, directory / "model.safetensors")
    return directory


def test_a_sequence_that_is_not_a_number_ends_alone(device: Device, broken_model: Path) -> None:
    engine = engine_of(device, broken_model, sizes_of(broken_model, Precision.FLOAT32))
    sound = FakeSequence(1, [3, 4, 5], list(range(16)), temperature=0.0)
    generate(engine, sound, num_tokens=6)
    engine.run(RunBatch(0, [1], [], []))

    beside = FakeSequence(2, [3, 4, 5], list(range(16)), temperature=0.0)
    broken = FakeSequence(3, [7, BROKEN_TOKEN], list(range(16, 32)))
    first = step(engine, beside, broken)
    assert [sampled.error for sampled in first.sequences] == [None, NOT_FINITE]
    assert step(engine, beside, broken).sequences[1].error == NOT_FINITE
    engine.run(RunBatch(0, [3], [], []))

    # Blocks that hold what is not a number harm nobody who gets them next.
    heir = FakeSequence(4, [3, 4, 5], list(range(16, 32)), temperature=0.0)
    for _ in range(2):
        step(engine, beside)
    generate(engine, beside, heir, num_tokens=2)
    generate(engine, heir, num_tokens=4)
    assert beside.output == heir.output == sound.output


def test_a_chunk_that_is_not_a_number_is_told_before_it_samples(
    device: Device, broken_model: Path
) -> None:
    engine = engine_of(device, broken_model, sizes_of(broken_model, Precision.FLOAT32))
    broken = FakeSequence(1, [7, 8, BROKEN_TOKEN, 9, 10], list(range(16)))
    sound = FakeSequence(2, [7, 8, 1, 9, 10], list(range(16, 32)))
    output = step(engine, broken, sound, num_tokens=3)
    assert [sampled.error for sampled in output.sequences] == [NOT_FINITE, None]


@pytest.mark.parametrize("precision", list(Precision))
@pytest.mark.parametrize("name", WITH_ALL_OPERATIONS)
def test_plan_of_the_arena_is_exact(device: Device, name: str, precision: Precision) -> None:
    """But for what weights and KV arrays may leave free between them."""
    path = MODELS / name
    engine = engine_of(device, path, sizes_of(path, precision))
    with Checkpoint.open(path) as checkpoint:
        gaps = padding_bytes(checkpoint)
    assert 0 <= engine.arena.num_bytes - engine.arena.used_bytes <= gaps


def test_grammars_are_followed_as_on_the_cpu(device: Device) -> None:
    """Beside others, from graphs, and resumed; the host knows each token before the next step."""
    grammars = {"grammar": PERSON, "temperature": 1.3}
    cpu = on_cpu("llama3", constraints())
    expected = finished(cpu, sequence_of(**grammars, seed=3), sequence_of_two(**grammars, seed=4))
    path = MODELS / "llama3"
    engine = engine_of(device, path, sizes_of(path, Precision.FLOAT32), constraints())
    found = finished(engine, sequence_of(**grammars, seed=3), sequence_of_two(**grammars, seed=4))
    assert found == expected
    assert all(is_person(text_of(output)) for output in found)


def test_grammars_worked_out_in_turns_are_followed_as_at_once(device: Device) -> None:
    """Some sit steps out, in every way: one alone, one of two, and while a prompt is computed."""
    grammars = {"grammar": PERSON, "temperature": 1.3}
    cpu = on_cpu("llama3", constraints())
    expected = finished(cpu, sequence_of(**grammars, seed=3), sequence_of_two(**grammars, seed=4))
    path = MODELS / "llama3"
    slow = Delayed(constraints())
    engine = engine_of(device, path, sizes_of(path, Precision.FLOAT32), slow)
    sequences = (sequence_of(**grammars, seed=3), sequence_of_two(**grammars, seed=4))
    found = finished(engine, *sequences, num_steps=75)
    assert found == expected
    assert slow.num_delays > 20


class Delayed(Constraints):
    """Has some masks only when asked again."""

    def __init__(self, constraints: Constraints) -> None:
        super().__init__(constraints._make_engine)
        self._chance = random.Random(5)
        self.num_delays = 0

    def masks(self, rows: Iterable[int]) -> Masks:
        found = super().masks(rows)
        for row in list(found.words):
            if self._chance.random() < 0.4:
                del found.words[row]
                found.delayed.add(row)
                self.num_delays += 1
        return found


def sequence_of_two(**params: object) -> FakeSequence:
    return FakeSequence(2, PROMPT[:4], list(range(16, 32)), **params)


def finished(
    runner: ModelRunner | Engine, *sequences: FakeSequence, num_steps: int = 50
) -> list[list[int]]:
    """What each put out before its end."""
    for _ in range(num_steps):
        step(runner, *sequences)
        if isinstance(runner, Engine):
            runner.runner.use_spare_time()
    return [sequence.output[: sequence.output.index(END)] for sequence in sequences]
