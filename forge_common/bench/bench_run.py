"""One run from settings to result: find the model, learn its token lengths, warm up, drive, add up.

Knows the order of these steps; each is done elsewhere.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from itertools import chain, count, islice
from math import inf
from random import Random
from typing import NamedTuple

import msgspec

from forge_common.bench.clock import Clock
from forge_common.bench.dataset_spec import Jsonl
from forge_common.bench.generator import Generator
from forge_common.bench.load import Concurrent
from forge_common.bench.machine import this_machine
from forge_common.bench.progress import Progress, shown
from forge_common.bench.prompts import JsonlPrompts, Prompt, Prompts, prompts_of
from forge_common.bench.records import Observation
from forge_common.bench.request_body import BodyFormat, PreparedRequest
from forge_common.bench.result import SCHEMA_VERSION, BenchResult, LoadGenerator, RunSettings
from forge_common.bench.server import Server, connected
from forge_common.bench.summary import summary_of
from forge_common.bench.timeline import timeline_of
from forge_common.bench.word_scale import PROBE_WORDS, Probe, WordScale, random_words, word_scale

NUM_MADE_AHEAD = 1000
MAX_WARMUP_CONCURRENCY = 32


class Driven(NamedTuple):
    observations: list[Observation]
    cpu_share: float
    is_interrupted: bool


async def run_bench(settings: RunSettings, headers: Mapping[str, str]) -> BenchResult:
    """An empty `settings.model` means the server's first. Raises ForgeError where it tells none."""
    check_file(settings)
    async with connected(settings.url, headers, settings.timeout_s) as server:
        if not settings.model:
            settings = msgspec.structs.replace(settings, model=await server.first_model())
        bench = Bench(settings, server)
        scale = await bench.measure_words()
        # Of another seed, so that no prompt that is measured is in a cache already.
        await bench.warm_up(prompts_of(settings.dataset, scale, f"warmup {settings.seed}"))
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        driven = await bench.drive(prompts_of(settings.dataset, scale, str(settings.seed)))
    return BenchResult(
        schema_version=SCHEMA_VERSION,
        forge_version=version("forge-server"),
        started_at=started_at,
        machine=this_machine(),
        settings=settings,
        is_interrupted=driven.is_interrupted,
        generator=LoadGenerator(driven.cpu_share, scale),
        summary=summary_of(driven.observations, settings.slo),
        timeline=timeline_of(driven.observations),
        requests=sorted(
            (observation.record for observation in driven.observations),
            key=lambda record: record.index,
        ),
    )


class Bench:
    """The steps of a run that talk to the server."""

    def __init__(self, settings: RunSettings, server: Server) -> None:
        self._settings = settings
        self._server = server
        self._format = body_format_of(settings)

    async def measure_words(self) -> WordScale:
        """Asks twice for one token. Words are tokens where the server fails or does not count."""
        if isinstance(self._settings.dataset, Jsonl):
            return WordScale()
        clock = Clock(asyncio.get_running_loop())
        probes = []
        for num_words in PROBE_WORDS:
            prompt = Prompt(random_words(num_words, Random(f"probe {num_words}")), 1)
            request = PreparedRequest(0, self._format.body(prompt))
            record = (await self._asker(clock)(request, clock.now_s())).record
            if record.num_prompt_tokens is not None:
                probes.append(Probe(num_words, record.num_prompt_tokens))
        return word_scale(probes)

    async def warm_up(self, prompts: Prompts) -> None:
        num = self._settings.num_warmup
        if num:
            clock = Clock(asyncio.get_running_loop())
            requests = islice(self._requests(prompts), num)
            generator = Generator(requests, self._asker(clock), clock, Progress(num, None))
            await generator.run(Concurrent(min(num, MAX_WARMUP_CONCURRENCY)), seed=0)

    async def drive(self, prompts: Prompts) -> Driven:
        settings = self._settings
        progress = Progress(settings.num_requests, settings.duration_s)
        requests = made_ahead(islice(self._requests(prompts), settings.num_requests))
        until_s = inf if settings.duration_s is None else settings.duration_s
        stop = asyncio.Event()
        async with shown(progress, sys.stderr):
            with on_interrupt(stop.set):
                cpu_before_s, before_s = time.process_time(), time.perf_counter()
                clock = Clock(asyncio.get_running_loop())
                generator = Generator(requests, self._asker(clock), clock, progress)
                await generator.run(settings.load, settings.seed, until_s, stop)
                cpu_s = time.process_time() - cpu_before_s
                cpu_share = cpu_s / (time.perf_counter() - before_s)
        return Driven(generator.observations, cpu_share, stop.is_set())

    def _requests(self, prompts: Prompts) -> Iterator[PreparedRequest]:
        return (
            PreparedRequest(index, self._format.body(prompts.prompt(index))) for index in count()
        )

    def _asker(self, clock: Clock) -> Callable[[PreparedRequest, float], Awaitable[Observation]]:
        path = self._settings.endpoint.path
        return lambda request, intended_s: self._server.ask(path, request, intended_s, clock)


def check_file(settings: RunSettings) -> None:
    """A file is read to its end before a server is asked for anything. Raises ConfigError."""
    if isinstance(settings.dataset, Jsonl):
        body_format = body_format_of(settings)
        for prompt in JsonlPrompts(settings.dataset).all:
            body_format.body(prompt)


def body_format_of(settings: RunSettings) -> BodyFormat:
    return BodyFormat(
        settings.endpoint,
        settings.model,
        settings.temperature,
        settings.is_eos_ignored,
        settings.extra_body,
    )


def made_ahead(requests: Iterator[PreparedRequest]) -> Iterator[PreparedRequest]:
    """The first ones are there before the clock runs: making them would delay sending them."""
    return chain(list(islice(requests, NUM_MADE_AHEAD)), requests)


@contextmanager
def on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """While the block runs, Ctrl-C calls `stop`; where signals cannot be had, it is left alone."""
    loop = asyncio.get_running_loop()
    with suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGINT, stop)
    try:
        yield
    finally:
        with suppress(NotImplementedError, RuntimeError, ValueError):
            loop.remove_signal_handler(signal.SIGINT)
