"""What ended a deployment, and how that is told: one sentence and one exit code.

Knows children that have ended, not who watches over them.
"""

from __future__ import annotations

import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from forge_common.errors import ForgeError
from forge_common.supervisor.child import SIGNAL_EXIT_BASE, Child


class Failure(NamedTuple):
    """Which child ended the deployment; what is not stated here, the child itself will say."""

    child: Child
    reason: str | None = None
    exit_code: int | None = None


class Outcome(NamedTuple):
    exit_code: int
    reason: str | None = None  # one sentence, where something went wrong


def outcome_of(failure: Failure) -> Outcome:
    child = failure.child
    own_code = child.exit_code.result() if child.exit_code.done() else ForgeError.EXIT_CODE
    exit_code = failure.exit_code or own_code or ForgeError.EXIT_CODE
    return Outcome(exit_code, f"{child.role.name}: {failure.reason or how_it_ended(child)}")


def cause_of(failures: Sequence[Failure]) -> Failure:
    """The first, unless a child was killed at about that time: the others only felt it."""
    killed = (failure for failure in failures if failure.child.was_killed)
    return next(killed, failures[0])


def how_it_ended(child: Child) -> str:
    """In its own words, where it left any."""
    exit_code = child.exit_code.result() if child.exit_code.done() else ForgeError.EXIT_CODE
    if child.failure_message:
        return child.failure_message
    if exit_code > SIGNAL_EXIT_BASE:
        with suppress(ValueError):
            return f"was killed by {signal.Signals(exit_code - SIGNAL_EXIT_BASE).name}"
    return f"ended unexpectedly with exit code {exit_code}"
