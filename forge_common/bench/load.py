"""When requests are sent: kinds of load, and the times of arrivals. Knows nothing of servers."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import repeat
from math import sqrt
from random import Random

from msgspec import Struct


class Load(Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """How hard the server is driven."""


class AllAtOnce(Load, frozen=True):
    """Every request at the beginning."""

    @property
    def text(self) -> str:
        return "all at once"


class Poisson(Load, frozen=True):
    """An open loop: requests arrive whether or not the server keeps up.

    `burstiness` is the shape of the gamma distribution of the time between arrivals: 1 is Poisson's
    process, less comes in bursts, more is more regular. The rate grows evenly through `ramp_s`.
    """

    rate_per_s: float
    burstiness: float = 1.0
    ramp_s: float = 0.0

    @property
    def text(self) -> str:
        shape = "Poisson" if self.burstiness == 1 else f"gamma, shape {self.burstiness:g}"
        return f"{self.rate_per_s:g} requests/s ({shape}){_ramp_text(self.ramp_s)}"


class Concurrent(Load, frozen=True):
    """A closed loop: so many users, each of whom asks again when answered.

    They begin one after another through `ramp_s`.
    """

    num_users: int
    ramp_s: float = 0.0

    @property
    def text(self) -> str:
        return f"{self.num_users} at a time{_ramp_text(self.ramp_s)}"


AnyLoad = AllAtOnce | Poisson | Concurrent


def arrival_times(load: AllAtOnce | Poisson, seed: int) -> Iterator[float]:
    """Seconds since the run began, ascending, without end; the same for the same seed."""
    if isinstance(load, AllAtOnce):
        return repeat(0.0)
    return _gamma_arrivals(load, Random(f"arrivals {seed}"))


def _gamma_arrivals(load: Poisson, random: Random) -> Iterator[float]:
    num_expected = 0.0
    while True:
        num_expected += random.gammavariate(load.burstiness, 1 / load.burstiness)
        yield _time_of(num_expected, load)


def _time_of(num_expected: float, load: Poisson) -> float:
    """When so many requests are expected: the integral of the rate, turned around."""
    num_in_ramp = load.rate_per_s * load.ramp_s / 2
    if num_expected < num_in_ramp:
        return sqrt(2 * load.ramp_s * num_expected / load.rate_per_s)
    return load.ramp_s / 2 + num_expected / load.rate_per_s


def _ramp_text(ramp_s: float) -> str:
    return f", reached in {ramp_s:g} s" if ramp_s else ""
