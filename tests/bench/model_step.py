"""Whole steps of a 110 M-parameter Llama in float32 against the bare matrix products they contain.

A step is RunBatch in, BatchOutput out: mirror, inputs, model, sampler, planned by the scheduler so
that blocks lie where serving puts them. Steps and floor (`bare_products`) take turns of several
runs, so that a noisy neighbour meets both; the first of a turn finds the other's data in the caches
and is not counted.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, sleep

from forge_common.config import DeviceSettings
from forge_common.protocol.api_scheduler import Submit
from forge_common.sampling import SamplingParams
from forge_scheduler.scheduler import Limits as SchedulerLimits
from forge_scheduler.scheduler import Scheduler
from forge_worker.cpu_cores import available_threads
from forge_worker.kv_cache import allocate_kv_cache
from forge_worker.model_runner import ModelRunner
from forge_worker.models.load import HostModel, load_host_model
from forge_worker.sequence_mirror import Limits
from tests.bench.bare_products import Case, floor_process
from tests.bench.random_model import SHAPE_110M, write_random_model
from tests.bench.report import Figure
from tests.worker.fakes import no_grammars

BLOCK_SIZE = 16
NUM_BLOCKS = 1024
MAX_MODEL_LEN = 2048
CONTEXT = 128
PREFILL = 512
NUM_TURNS = 5
RUNS_A_TURN = 6
SETTLE_S = 0.1  # OpenBLAS's threads wait in a loop for a while after their last product


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as directory:
        write_random_model(Path(directory), SHAPE_110M)
        settings = DeviceSettings(backend="cpu", threads=available_threads())
        loaded = load_host_model(Path(directory), settings, lambda done, total: None)
        for batch_size in (1, 16, 32):
            decode = DecodeSteps(loaded, batch_size)
            case = Case(batch_size, batch_size, CONTEXT + NUM_TURNS * RUNS_A_TURN // 2)
            yield from _compare(f"decode, batch {batch_size}, context {CONTEXT}", decode, case)
        prefill = Prefills(loaded)
        yield from _compare(f"prefill of {PREFILL} tokens", prefill, Case(PREFILL, 1, PREFILL))


def _compare(name: str, step: Callable[[], None], case: Case) -> Iterator[Figure]:
    steps: list[float] = []
    floors: list[float] = []
    with floor_process(case) as floor:
        for _ in range(NUM_TURNS):
            steps += [_seconds(step) for _ in range(RUNS_A_TURN)][1:]
            floors += [floor() for _ in range(RUNS_A_TURN)][1:]
            sleep(SETTLE_S)
    step_s, floor_s = statistics.median(steps), statistics.median(floors)
    yield Figure(f"110M, {name}: step", step_s * 1e3, "ms")
    yield Figure("… its bare matrix products", floor_s * 1e3, "ms")
    yield Figure("… ratio", step_s / floor_s, "×", "≤ 1.2×")


def _seconds(step: Callable[[], None]) -> float:
    started = perf_counter()
    step()
    return perf_counter() - started


class Engine:
    """Scheduler and runner in one process, without the sockets between them."""

    def __init__(self, loaded: HostModel, *, has_prefix_cache: bool) -> None:
        vocab_size = SHAPE_110M.vocab_size
        self.scheduler = Scheduler(
            SchedulerLimits(
                max_batch_size=64,
                max_prefill_tokens=8192,
                max_model_len=MAX_MODEL_LEN,
                vocab_size=vocab_size,
                max_steps_in_flight=1,
                has_prefix_cache=has_prefix_cache,
            ),
            NUM_BLOCKS,
            BLOCK_SIZE,
        )
        limits = Limits(
            max_batch_size=64,
            max_model_len=MAX_MODEL_LEN,
            vocab_size=vocab_size,
            num_blocks=NUM_BLOCKS,
            block_size=BLOCK_SIZE,
        )
        model = loaded.model
        kv_cache = allocate_kv_cache(model.config, model.ops, NUM_BLOCKS, BLOCK_SIZE)
        self.runner = ModelRunner(model, kv_cache, limits, no_grammars(), loaded.make_sampler)

    def submit(self, name: str, prompt_token_ids: list[int], sampling: SamplingParams) -> None:
        self.scheduler.submit(b"bench", Submit(name, prompt_token_ids, sampling))

    def step(self) -> None:
        batch = self.scheduler.schedule()
        if batch is None:
            raise RuntimeError("nothing to run")
        self.scheduler.update(self.runner.run(batch.to_run_batch()))


class DecodeSteps:
    """One more token for each of `batch_size` sequences a call, from a context of CONTEXT on."""

    def __init__(self, loaded: HostModel, batch_size: int) -> None:
        self._engine = Engine(loaded, has_prefix_cache=True)
        sampling = SamplingParams(max_tokens=999, seed=1, temperature=0.8, top_p=0.95, top_k=50)
        for number in range(batch_size):
            self._engine.submit(str(number), [7 + number] * CONTEXT, sampling)
        self._engine.step()
        self._engine.step()

    def __call__(self) -> None:
        self._engine.step()


class Prefills:
    """One new prompt of PREFILL tokens a call, which ends with its first token."""

    def __init__(self, loaded: HostModel) -> None:
        self._engine = Engine(loaded, has_prefix_cache=False)
        self._num_prompts = 0
        self()

    def __call__(self) -> None:
        sampling = SamplingParams(max_tokens=1, seed=1, temperature=0.0)
        prompt = list(range(5, 5 + PREFILL))
        self._engine.submit(str(self._num_prompts), prompt, sampling)
        self._num_prompts += 1
        self._engine.step()
