"""Every line that drives a model in a measurement, on emulated kernels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from forge_worker.cuda.device import Graph
from forge_worker.cuda.graphs import buckets
from tests.bench.gpu.engine import Engine, EngineSettings
from tests.bench.gpu.llamas import write_llama
from tests.bench.gpu.models import Scale, Site, measure_deterministic, measure_model
from tests.bench.gpu.nano_vllm import Request
from tests.bench.gpu.results import Result
from tests.bench.gpu.roofline import Ceilings
from tests.bench.gpu.steps import decode_times, idle_share, prefill_s
from tests.bench.test_gpu.emulated import TINY_LLAMA, EmulatedMachine
from tests.cuda_emulator.opaque import OpaqueDevice

SETTINGS = EngineSettings(
    max_model_len=64, max_batch_size=4, max_prefill_tokens=32, num_blocks=64, noise_bytes=2**14
)
SCALE = Scale(
    settings=SETTINGS,
    requests=[Request([5, 6, 7], 4), Request([8] * 20, 2), Request([9], 6)],
    batch_sizes=(1, 3),
    context=24,
    num_decode_steps=3,
    prefill_tokens=20,
    rounds=1,
)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tiny")
    write_llama(path, TINY_LLAMA)
    return path


@pytest.fixture(scope="module")
def site(directory: Path) -> Site:
    return Site(EmulatedMachine(), Ceilings(1e9, 1e12), "tiny", directory, SCALE)


@pytest.fixture(scope="module")
def engine(site: Site) -> Engine:
    return site.engine(SETTINGS)


class CountingDevice(OpaqueDevice):
    num_captured = 0

    def capture(self, work: Callable[[], None]) -> Graph:
        self.num_captured += 1
        return super().capture(work)


def by_name(results: list[Result]) -> dict[str, Result]:
    return {result.name: result for result in results}


def test_every_result_of_a_model(site: Site) -> None:
    results = by_name(list(measure_model(site)))
    assert list(results) == [
        "tiny loaded, device open",
        "tiny memory, off the plan",
        "tiny decode, batch 1, context 24",
        "… tiny decode, batch 1, context 24: idle",
        "tiny decode, batch 3, context 24",
        "… tiny decode, batch 3, context 24: idle",
        "tiny prefill of 20 tokens",
        "tiny nano-vllm's benchmark",
        "… tiny nano-vllm's benchmark: idle",
    ]
    assert all(result.value > 0 for result in results.values())
    assert results["tiny nano-vllm's benchmark"].note.startswith("12 tokens in")


def test_contexts_are_as_long_as_it_says(engine: Engine) -> None:
    times = decode_times(engine, 3, 24, 4)
    assert times.mean_keys / 3 == pytest.approx(24, abs=2)


def test_a_batch_that_never_runs_together_is_an_error(engine: Engine) -> None:
    with pytest.raises(RuntimeError, match="5 sequences of 20 tokens never ran together"):
        decode_times(engine, 5, 20, 2)


def test_steps_are_noted_in_the_order_they_ran(engine: Engine) -> None:
    for _ in range(3):
        engine.submit([1, 2, 3], 5)
    records = engine.run()
    assert [record.only_decodes for record in records] == [False, True, True, True, True]
    assert [record.num_keys for record in records] == [9, 12, 15, 18, 21]
    assert all(record.seconds > 0 for record in records)
    assert 0 < idle_share(records) < 1


def test_every_size_of_batch_gets_a_graph_once(directory: Path) -> None:
    device = CountingDevice()
    engine = Engine(EmulatedMachine(device), directory, SETTINGS)
    for _ in range(2):
        engine.record_graphs()
    assert device.num_captured == len(buckets(SETTINGS.max_batch_size))


def test_a_prompt_is_one_step(engine: Engine) -> None:
    assert prefill_s(engine, 30) > 0


def test_cost_of_determinism(site: Site) -> None:
    results = list(measure_deterministic(site))
    assert [result.name for result in results] == [
        "tiny decode, batch 1, context 24, --deterministic",
        "tiny decode, batch 3, context 24, --deterministic",
        "tiny prefill of 20 tokens, --deterministic",
    ]
    assert all("times the" in result.note for result in results)
