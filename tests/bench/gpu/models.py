"""Parts `1B` and `8B`: decode steps, prefill, nano-vllm's benchmark, memory; part `deterministic`.

Steps of all kinds take turns, so that whatever the card's clocks do falls on all of them alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean, median
from time import perf_counter
from typing import NamedTuple

from tests.bench.gpu import goals
from tests.bench.gpu.engine import Engine, EngineSettings, config_of, planned
from tests.bench.gpu.machine import Machine
from tests.bench.gpu.nano_vllm import Request
from tests.bench.gpu.results import Result
from tests.bench.gpu.roofline import Ceilings, Counts, Lengths, counts_of, decode_s, serving_s
from tests.bench.gpu.roofline import prefill_s as roofline_prefill_s
from tests.bench.gpu.steps import (
    DecodeTimes,
    ServingTimes,
    decode_times,
    prefill_s,
    serving_times,
)

GIB = 2**30
NUM_PREFILLS = 4  # a turn


class Scale(NamedTuple):
    """How much is measured; tests on emulated kernels measure less."""

    settings: EngineSettings
    requests: Sequence[Request]
    serving_rounds: int = 1
    batch_sizes: tuple[int, ...] = (1, 64, 256)
    context: int = 1024
    num_decode_steps: int = 48
    prefill_tokens: int = 2048
    rounds: int = 2


class Site(NamedTuple):
    machine: Machine
    ceilings: Ceilings
    name: str  # of the model
    directory: Path
    scale: Scale

    @property
    def counts(self) -> Counts:
        return counts_of(config_of(self.directory))

    def engine(self, settings: EngineSettings) -> Engine:
        return Engine(self.machine, self.directory, settings)


class StepTimes:
    """What one engine did in all rounds."""

    def __init__(self, scale: Scale) -> None:
        self.decodes: dict[int, list[DecodeTimes]] = {size: [] for size in scale.batch_sizes}
        self.prefills_s: list[float] = []

    def add_round(self, engine: Engine, scale: Scale, seed: int) -> None:
        for size, times in self.decodes.items():
            steps = scale.num_decode_steps
            times.append(decode_times(engine, size, scale.context, steps, seed))
        prefills = range(NUM_PREFILLS)
        self.prefills_s += [prefill_s(engine, scale.prefill_tokens, seed + i) for i in prefills]

    def decode_s(self, size: int) -> float:
        return median(times.step_s for times in self.decodes[size])


def measure_model(site: Site) -> Iterator[Result]:
    used_before = site.machine.used_bytes()
    started_s = perf_counter()
    engine = site.engine(site.scale.settings)
    loading_s = perf_counter() - started_s
    yield Result(name=f"{site.name} loaded, device open", value=loading_s, unit="s")
    engine.record_graphs()
    yield from _memory(site, used_before)
    times = StepTimes(site.scale)
    for number in range(site.scale.rounds):
        times.add_round(engine, site.scale, number)
    yield from _decodes(site, times)
    yield _prefill(site, times)
    served = [serving_times(engine, site.scale.requests) for _ in range(site.scale.serving_rounds)]
    yield from _serving(site, served)


def measure_deterministic(site: Site) -> Iterator[Result]:
    """The same steps by two engines in turn, of which one keeps to --deterministic."""
    settings = site.scale.settings
    engines = [site.engine(settings), site.engine(settings._replace(is_deterministic=True))]
    times = [StepTimes(site.scale) for _ in engines]
    for engine in engines:
        engine.record_graphs()
    for number in range(site.scale.rounds):
        for engine, its_times in zip(engines, times, strict=True):
            its_times.add_round(engine, site.scale, number)
    yield from _costs(site, *times)


def _memory(site: Site, used_before: int | None) -> Iterator[Result]:
    """With every graph recorded."""
    used = site.machine.used_bytes()
    plan = planned(site.machine, site.directory, site.scale.settings)
    if used is None or used_before is None:
        return
    planned_bytes, used_bytes = plan.needed_bytes, used - used_before
    yield Result(
        name=f"{site.name} memory, off the plan",
        value=100 * abs(used_bytes - planned_bytes) / planned_bytes,
        unit="%",
        goal=goals.PLANNED,
        note=f"{used_bytes / GIB:.2f} GiB in use, {planned_bytes / GIB:.2f} GiB planned",
    )


def _decodes(site: Site, times: StepTimes) -> Iterator[Result]:
    for size, rounds in times.decodes.items():
        step_s, num_keys = times.decode_s(size), fmean(turn.mean_keys for turn in rounds)
        possible_s = decode_s(site.counts, site.ceilings, size, num_keys)
        name = f"{site.name} decode, batch {size}, context {site.scale.context}"
        yield Result(
            name=name,
            value=step_s * 1e3,
            unit="ms",
            share=possible_s / step_s,
            goal=goals.DECODE.get((site.name, size)),
            note=f"{size / step_s:,.0f} tokens/s, mean context {num_keys / size:.0f}",
        )
        yield _idle(name, median(turn.idle_share for turn in rounds))


def _prefill(site: Site, times: StepTimes) -> Result:
    num_tokens, seconds = site.scale.prefill_tokens, median(times.prefills_s)
    return Result(
        name=f"{site.name} prefill of {num_tokens} tokens",
        value=seconds * 1e3,
        unit="ms",
        share=roofline_prefill_s(site.counts, site.ceilings, num_tokens) / seconds,
        goal=goals.PREFILL.get(site.name),
        note=f"{num_tokens / seconds:,.0f} tokens/s",
    )


def _serving(site: Site, rounds: Sequence[ServingTimes]) -> Iterator[Result]:
    requests = site.scale.requests
    lengths = [Lengths(len(prompt), num_output) for prompt, num_output in requests]
    num_tokens = sum(request.output for request in lengths)
    for served in rounds:
        if served.num_output_tokens != num_tokens:
            raise RuntimeError(f"{served.num_output_tokens} tokens came, not {num_tokens}")
    seconds = median(served.seconds for served in rounds)
    name = f"{site.name} nano-vllm's benchmark"
    yield Result(
        name=name,
        value=num_tokens / seconds,
        unit="tokens/s",
        share=serving_s(site.counts, site.ceilings, lengths) / seconds,
        goal=goals.SERVING.get(site.name),
        note=f"{num_tokens:,} tokens in {seconds:.2f} s, {rounds[0].num_steps} steps",
    )
    yield _idle(name, median(served.idle_share for served in rounds))


def _idle(name: str, share: float) -> Result:
    return Result(name=f"… {name}: idle", value=100 * share, unit="%", goal=goals.IDLE)


def _costs(site: Site, without: StepTimes, deterministic: StepTimes) -> Iterator[Result]:
    for size in site.scale.batch_sizes:
        name = f"{site.name} decode, batch {size}, context {site.scale.context}"
        yield _cost(name, without.decode_s(size), deterministic.decode_s(size))
    name = f"{site.name} prefill of {site.scale.prefill_tokens} tokens"
    yield _cost(name, median(without.prefills_s), median(deterministic.prefills_s))


def _cost(name: str, without_s: float, deterministic_s: float) -> Result:
    return Result(
        name=f"{name}, --deterministic",
        value=deterministic_s * 1e3,
        unit="ms",
        note=f"{deterministic_s / without_s:.2f} times the {without_s * 1e3:.3f} ms without",
    )
