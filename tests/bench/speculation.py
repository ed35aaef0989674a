"""What drafts gain where a text is copied, and what they cost where it is not: batch 1, on the CPU.

The 110 M model has random weights, so what it says is scripted: its logits are its own, but for the
token that a model would have said who edits JSON, or writes prose. The forward passes, the sampler
and the scheduler are the real ones, two steps in flight. The demo model says what it says. Runs
with and without drafts alternate; medians.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from forge_common.checkpoint import ModelConfig
from forge_common.config import DeviceSettings
from forge_common.demo_model import model_location
from forge_common.protocol.api_scheduler import Submit
from forge_common.protocol.scheduler_worker import RunBatch
from forge_common.sampling import SamplingParams
from forge_common.tokenizer import Tokenizer
from forge_scheduler.scheduler import Limits as SchedulerLimits
from forge_scheduler.scheduler import Scheduler
from forge_worker.constraints import Constraints
from forge_worker.cpu_cores import available_threads
from forge_worker.forward_inputs import FloatArray, ForwardInputs
from forge_worker.kv_cache import KVCache, allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import HostModel, load_host_model
from forge_worker.ops.protocol import Array
from forge_worker.sequence_mirror import Limits
from tests.bench.random_model import SHAPE_110M, write_random_model
from tests.bench.report import Figure, alternate
from tests.worker.fakes import no_grammars

ROUNDS = 3
MAX_TOKENS = 160
MAX_DRAFT_TOKENS = 15
BLOCK_SIZE = 16
NUM_BLOCKS = 256
MAX_MODEL_LEN = 2048
CERTAIN = 1e4  # a logit that no other comes near
PROSE = Path(__file__).parents[2] / "docs" / "hosts.md"
QUESTIONS = (
    "What is Forge?",
    "Tell me about the sea.",
    "How does a cache help?",
    "Write a list of ten animals.",
    "What is 17 + 25?",
)
END = "<|im_end|>"
CHAT = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"


class Load(NamedTuple):
    prompt: list[int]
    output: list[int]  # what the model is to say; empty where it decides itself


class _OverheardOps:
    """Operations of a model, and at which positions the logits of its last step are."""

    def __init__(self, ops: Any) -> None:
        self.next_places: list[int] = []
        self._ops = ops

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ops, name)

    def begin_step(self, inputs: ForwardInputs, config: ModelConfig, block_size: int) -> Any:
        self.next_places = (inputs.positions[inputs.logit_rows] + 1).tolist()
        return self._ops.begin_step(inputs, config, block_size)


class ScriptedModel:
    """Any model, whose likeliest token at each position is the one of a script."""

    def __init__(self, loaded: HostModel) -> None:
        model, self.make_sampler = loaded.model, loaded.make_sampler
        self.config: ModelConfig = model.config
        self.ops: Any = _OverheardOps(model.ops)
        self.script: list[int] = []
        self._model = model

    def hidden(self, step: Array, kv_cache: KVCache) -> Array:
        return self._model.hidden(step, kv_cache)

    def logits(self, hidden: Array) -> FloatArray:
        logits: FloatArray = self._model.logits(hidden)
        for row, place in enumerate(self.ops.next_places if self.script else []):
            if place < len(self.script):
                logits[row, self.script[place]] = CERTAIN
        return logits


class Served:
    """A scheduler and a runner, as they stand in two processes, without the sockets between."""

    def __init__(
        self,
        model: ScriptedModel,
        max_draft_tokens: int,
        constraints: Constraints | None = None,
    ) -> None:
        vocab_size = model.config.vocab_size
        self.scheduler = Scheduler(
            SchedulerLimits(
                max_batch_size=64,
                max_prefill_tokens=4096,
                max_model_len=MAX_MODEL_LEN,
                vocab_size=vocab_size,
                max_draft_tokens=max_draft_tokens,
                has_prefix_cache=True,
            ),
            NUM_BLOCKS,
            BLOCK_SIZE,
        )
        limits = Limits(64, MAX_MODEL_LEN, BLOCK_SIZE, NUM_BLOCKS, vocab_size, MAX_DRAFT_TOKENS)
        cache = allocate_kv_cache(model.config, model.ops, NUM_BLOCKS, BLOCK_SIZE)
        self._model = model
        self._runner = ModelRunner(
            model, cache, limits, constraints or no_grammars(), model.make_sampler
        )
        self._num_requests = 0

    def run(self, loads: list[Load], sampling: SamplingParams) -> list[int]:
        """One after another; returns all that was said."""
        return [token_id for load in loads for token_id in self.run_together([load], sampling)]

    def run_together(self, loads: list[Load], sampling: SamplingParams) -> list[int]:
        """Loads with a script must have the same one."""
        script = loads[0].prompt + loads[0].output
        self._model.script = script if loads[0].output else []
        for load in loads:
            self._num_requests += 1
            self.scheduler.submit(b"bench", Submit(str(self._num_requests), load.prompt, sampling))
        sent: deque[RunBatch] = deque()
        said: dict[str, list[int]] = defaultdict(list)
        while not self.scheduler.is_empty:
            while (batch := self.scheduler.schedule()) is not None:
                sent.append(batch.to_run_batch())
            for outputs in self.scheduler.update(self._runner.run(sent.popleft())).values():
                for output in outputs:
                    said[output.request_id] += output.token_ids
        return [token_id for token_ids in said.values() for token_id in token_ids]


def measure() -> Iterator[Figure]:
    device = DeviceSettings(backend="cpu", threads=available_threads())
    tokenizer = Tokenizer.open(model_location(None))
    demo = ScriptedModel(load_host_model(model_location(None), device, lambda done, total: None))
    with tempfile.TemporaryDirectory() as directory:
        write_random_model(Path(directory), SHAPE_110M)
        large = ScriptedModel(load_host_model(Path(directory), device, lambda done, total: None))
    edit, prose = [edited_json(tokenizer)], [written_prose(tokenizer)]
    chats = [Load(tokenizer.encode(CHAT.format(question)), []) for question in QUESTIONS]
    end_ids = tuple(tokenizer.encode(END))
    yield from _compare("110M, edit this JSON", large, edit, "≥ 2×")
    yield from _compare("110M, prose", large, prose, "≥ 0.97×")
    yield from _compare("demo model, edit this JSON (scripted)", demo, edit, "≥ 2×")
    yield from _compare("demo model, chat", demo, chats, "≥ 0.97×", end_ids)


def _compare(
    name: str, model: ScriptedModel, loads: list[Load], target: str, end_ids: tuple[int, ...] = ()
) -> Iterator[Figure]:
    sampling = SamplingParams(max_tokens=MAX_TOKENS, seed=1, temperature=0.0, eos_token_ids=end_ids)
    plain, drafted = Served(model, 0), Served(model, MAX_DRAFT_TOKENS)
    if plain.run(loads, sampling) != drafted.run(loads, sampling):
        raise RuntimeError(f"{name}: drafts have changed what was said")
    seconds = alternate(
        {
            "plain": lambda: plain.run(loads, sampling),
            "drafted": lambda: drafted.run(loads, sampling),
        },
        ROUNDS,
    )
    counters, num_rounds = drafted.scheduler.counters, ROUNDS + 2
    num_tokens = counters.num_output_tokens / num_rounds
    yield Figure(f"{name}: without drafts", num_tokens / seconds["plain"], "tokens/s")
    yield Figure("… with drafts", num_tokens / seconds["drafted"], "tokens/s")
    yield Figure("… ratio", seconds["plain"] / seconds["drafted"], "×", target)
    yield Figure("… drafted a run", counters.num_draft_tokens / num_rounds, "tokens")
    yield Figure("… of them accepted", counters.num_accepted_tokens / num_rounds, "tokens")


def edited_json(tokenizer: Tokenizer) -> Load:
    """A list of people, of whom every third has moved."""
    people = [
        {"id": 1017 + 13 * number, "name": name, "city": city, "active": number % 2 == 0}
        for number, (name, city) in enumerate(
            [("Ada", "London"), ("Emmy", "Erlangen"), ("Grace", "New York"), ("Sofia", "Kiel"),
             ("Hedy", "Vienna"), ("Mary", "Bristol"), ("Lise", "Berlin"), ("Rosa", "Zurich")]
        )
    ]  # fmt: skip
    before = json.dumps(people, indent=1)
    for person in people[::3]:
        person["city"] = "Lisbon"
    prompt = CHAT.format(f"Edit this JSON: every third one moves to Lisbon.\n{before}")
    output = tokenizer.encode(json.dumps(people, indent=1))
    return Load(tokenizer.encode(prompt), output[:MAX_TOKENS])


def written_prose(tokenizer: Tokenizer) -> Load:
    token_ids = tokenizer.encode(PROSE.read_text())
    return Load(token_ids[:200], token_ids[200 : 200 + MAX_TOKENS])
