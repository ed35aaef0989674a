"""The deployment that is disturbed, what its streams say undisturbed, and their pauses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.deployment import Deployment
from tests.faults.streams import Said, start

NUM_API = 2
Gaps = dict[str, list[float]]
GAPS = pytest.StashKey[Gaps]()


@pytest.fixture(scope="session")
def gaps(request: pytest.FixtureRequest) -> Gaps:
    """The longest pause of each stream, in seconds, by the name of the cell."""
    return request.config.stash.setdefault(GAPS, defaultdict(list))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    directory = tmp_path_factory.mktemp("faults")
    deployment = Deployment(directory, "--api-workers", str(NUM_API))
    try:
        deployment.forge.wait_until_ready()
        yield deployment
    finally:
        deployment.forge.destroy()
        print(*deployment.forge.lines, sep="\n")  # which is shown where a test failed


@pytest.fixture(scope="session")
def undisturbed(shared: Deployment) -> Said:
    return {name: stream.choices() for name, stream in start(shared.url).items()}


@pytest.fixture
def deployment(shared: Deployment, undisturbed: Said) -> Deployment:
    """The shared one, whole again after whatever was done to it."""
    shared.wait_until_whole(NUM_API)
    return shared


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    found = config.stash.get(GAPS, {})
    if found:
        terminalreporter.section("longest pause of a stream, in seconds: median, longest")
    for name, values in found.items():
        ordered = sorted(values)
        median = ordered[len(ordered) // 2]
        terminalreporter.write_line(f"{name:<36} {median:6.2f} {ordered[-1]:6.2f}")
