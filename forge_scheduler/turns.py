"""Turns: who of several tenants is served next, by what each has cost, and not by who asked first.

    turn of a request   where its tenant stands: behind all it asked before, or at `now` if that is
                        past
    now                 the greatest turn that has started

Start-time fair queueing (Goyal, Vin and Cheng, 1996) over tokens: each request moves its tenant on
by what it is expected to cost, so a tenant with five hundred requests waiting is far ahead, and
another one's first is next. What a request did cost, once it has ended, is put on its tenant's next
ones. With one tenant, turns grow in the order of arrival.

`now` also ages by a small share of all that starts, so that no turn is put off for ever however
many new tenants come. Tenants are forgotten when all is idle, and beyond MAX_TENANTS the one that
asked longest ago is. Knows nothing of queues, blocks or priorities.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from forge_scheduler.sequence import Request

MAX_TENANTS = 1024
EXPECTED_OUTPUT_TOKENS = 256  # of a choice that may have more: what it has is settled at its end


@dataclass(slots=True)
class Tenant:
    """All in tokens. `credit` was charged for requests that cost less than expected."""

    next_turn: float = 0.0
    credit: float = 0.0


class Turns:
    def __init__(self, max_tenants: int = MAX_TENANTS) -> None:
        self._max_tenants = max_tenants
        self._now = 0.0
        self._tenants: OrderedDict[str, Tenant] = OrderedDict()

    def __len__(self) -> int:
        return len(self._tenants)

    def next_of(self, name: str) -> float:
        """The turn that a tenant's next request will have."""
        tenant = self._tenants.get(name)
        return self._now if tenant is None else max(self._now, tenant.next_turn)

    def take(self, request: Request) -> float:
        """The turn of a new request; its tenant is charged with what it is expected to cost."""
        turn = self.next_of(request.tenant)
        tenant = self._tenants.setdefault(request.tenant, Tenant())
        self._tenants.move_to_end(request.tenant)
        if turn > tenant.next_turn:  # it has asked for less than its share since: that is past
            tenant.credit = 0.0
        expected = expected_cost(request)
        charged = max(expected - tenant.credit, 1.0)
        tenant.credit -= expected - charged
        tenant.next_turn = turn + charged
        if len(self._tenants) > self._max_tenants:
            self._tenants.popitem(last=False)
        return turn

    def start(self, request: Request, turn: float) -> None:
        """The first of its choices has got its first step."""
        self._now = max(self._now, turn) + expected_cost(request) / self._max_tenants

    def settle(self, request: Request) -> None:
        """It has ended: what it cost beyond what was expected, or below, is its tenant's."""
        tenant = self._tenants.get(request.tenant)
        if tenant is None:
            return
        surplus = expected_cost(request) - actual_cost(request)
        tenant.credit += max(surplus, 0.0)
        tenant.next_turn += max(-surplus, 0.0)

    def forget_all(self) -> None:
        """Nobody waits and nobody runs: nothing is owed for what nobody else wanted."""
        self._tenants.clear()


def expected_cost(request: Request) -> float:
    """In tokens, as far as it can be known at the start."""
    sampling = request.sampling
    num_output_tokens = min(sampling.max_tokens, EXPECTED_OUTPUT_TOKENS)
    return float(request.num_prompt_tokens + sampling.num_choices * num_output_tokens)


def actual_cost(request: Request) -> float:
    """In tokens: the prompt but for what was cached, if it ever ran, and every token put out."""
    num_cached_tokens = min(  # the first choice to start computes the prompt for the others
        (each.num_cached_tokens for each in request.sequences if each.queue_s is not None),
        default=request.num_prompt_tokens,
    )
    num_output_tokens = sum(sequence.num_output_tokens for sequence in request.sequences)
    return float(max(request.num_prompt_tokens - num_cached_tokens, 0) + num_output_tokens)
