"""The parts of `make bench-gpu`: what each measures, and how long it may take.

Budgets are of the device's time and add up to less than ten minutes; a part that takes longer is
ended, with what it has measured by then. The order is that of running: what matters most is first,
and the first start of all is the cold one. Knows nothing of how parts are run.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from tests.bench.gpu.ceilings import CeilingScale, measure_ceilings
from tests.bench.gpu.engine import EngineSettings
from tests.bench.gpu.kernels import KernelScale, measure_kernels
from tests.bench.gpu.llamas import LLAMAS, write_llama
from tests.bench.gpu.machine import CupyMachine, Machine
from tests.bench.gpu.models import Scale, Site, measure_deterministic, measure_model
from tests.bench.gpu.nano_vllm import requests
from tests.bench.gpu.peers import PeerScale, measure_peers
from tests.bench.gpu.results import Result
from tests.bench.gpu.roofline import Ceilings
from tests.bench.gpu.starts import command, measure_starts

CEILINGS = "ceilings"
SERVING_ROUNDS = {"1B": 3, "8B": 1}
# Two engines at once: blocks for the largest batch with some 1.1k tokens each, and no more.
SHARED = EngineSettings(num_blocks=18_000)
# Beside torch, which wants memory too.
FEW = EngineSettings(max_batch_size=32, num_blocks=2_500)


class Place(NamedTuple):
    """Where a part runs."""

    folder: Path  # of models that are written
    ceilings: Ceilings
    open_machine: Callable[[], Machine] = CupyMachine

    def model(self, name: str) -> Path:
        directory = self.folder / name
        write_llama(directory, LLAMAS[name])
        return directory

    def site(self, name: str, scale: Scale) -> Site:
        directory = self.model(name)
        return Site(self.open_machine(), self.ceilings, name, directory, scale)


class Part(NamedTuple):
    budget_s: float
    measure: Callable[[Place], Iterator[Result]]


def _ceilings(place: Place) -> Iterator[Result]:
    return measure_ceilings(place.open_machine(), CeilingScale())


def _start(place: Place) -> Iterator[Result]:
    return measure_starts("1B", command(place.model("1B")), os.environ)


def _model(name: str) -> Callable[[Place], Iterator[Result]]:
    scale = Scale(EngineSettings(), requests(), SERVING_ROUNDS[name])
    return lambda place: measure_model(place.site(name, scale))


def _kernels(place: Place) -> Iterator[Result]:
    for name in LLAMAS:
        yield from measure_kernels(place.site(name, Scale(EngineSettings(), [])), KernelScale())


def _deterministic(place: Place) -> Iterator[Result]:
    return measure_deterministic(place.site("1B", Scale(SHARED, [])))


def _peers(name: str) -> Callable[[Place], Iterator[Result]]:
    return lambda place: measure_peers(place.site(name, Scale(SHARED, [])), PeerScale(FEW))


PARTS: Mapping[str, Part] = MappingProxyType(
    {
        CEILINGS: Part(25, _ceilings),
        "start": Part(60, _start),
        "1B": Part(65, _model("1B")),
        "8B": Part(110, _model("8B")),
        "kernels": Part(60, _kernels),
        "torch-1B": Part(80, _peers("1B")),
        "torch-8B": Part(125, _peers("8B")),
        "deterministic": Part(55, _deterministic),
    }
)
