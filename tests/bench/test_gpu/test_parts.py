"""Each part measures what its name says, on a model that is written for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from forge_common.checkpoint import Checkpoint
from tests.bench.gpu import parts as module
from tests.bench.gpu.models import Site
from tests.bench.gpu.parts import PARTS, Place
from tests.bench.gpu.roofline import Ceilings, counts_of

MACHINE = object()
BILLION = 1e9


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, Ceilings(1.0, 1.0), lambda: MACHINE)


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, tuple[Any, ...]]]:
    """What was called, and with what."""
    calls: list[tuple[str, tuple[Any, ...]]] = []

    def noting(name: str) -> Any:
        def measure(*arguments: Any) -> Iterator[None]:
            calls.append((name, arguments))
            return iter(())

        return measure

    for name in [name for name in vars(module) if name.startswith("measure_")]:
        monkeypatch.setattr(module, name, noting(name))
    return calls


@pytest.mark.parametrize(
    ("part", "measure", "names"),
    [
        ("1B", "measure_model", ["1B"]),
        ("8B", "measure_model", ["8B"]),
        ("kernels", "measure_kernels", ["1B", "8B"]),
        ("deterministic", "measure_deterministic", ["1B"]),
        ("torch-1B", "measure_peers", ["1B"]),
        ("torch-8B", "measure_peers", ["8B"]),
    ],
)
def test_parts_of_models(
    place: Place, measured: list[tuple[str, tuple[Any, ...]]], part: str, measure: str,
    names: list[str],
) -> None:  # fmt: skip
    list(PARTS[part].measure(place))
    sites: list[Site] = [arguments[0] for _, arguments in measured]
    assert [name for name, _ in measured] == [measure] * len(names)
    assert [site.name for site in sites] == names
    assert all(site.machine is MACHINE for site in sites)
    for site in sites:
        assert site.counts.layer_weights / BILLION == pytest.approx(
            {"1B": 0.973, "8B": 6.979}[site.name], abs=0.001
        )


def test_ceilings_are_of_the_machine(
    place: Place, measured: list[tuple[str, tuple[Any, ...]]]
) -> None:
    list(PARTS["ceilings"].measure(place))
    ((name, (machine, _)),) = measured
    assert name == "measure_ceilings"
    assert machine is MACHINE


def test_starts_are_of_processes_that_get_a_model(
    place: Place, measured: list[tuple[str, tuple[Any, ...]]]
) -> None:
    list(PARTS["start"].measure(place))
    ((_, (name, command, _)),) = measured
    with Checkpoint.open(Path(command[-1])) as checkpoint:
        assert counts_of(checkpoint.config).kv_bytes_per_token == 32 * 1024
    assert name == "1B"
    assert command[2] == "tests.bench.gpu.starting"
