"""The matrix: each process × each fault, what comes of it, and which cells there are not, and why.

What `docs/faults.md` shows is written from here.
"""

from __future__ import annotations

from typing import NamedTuple

ROLES = ("api", "scheduler", "worker", "supervisor")
FAULTS = (
    "SIGKILL",
    "SIGTERM",
    "SIGSTOP",
    "SIGSTOP, SIGCONT",
    "exception",
    "memory error",
    "exit",
    "stall",
    "slow reader",
    "disconnect while queued",
    "disconnect in prefill",
    "disconnect in decode",
    "disk full",
    "socket file removed",
)

RESTART_S = 3.0  # what a restart may cost a stream, nineteen times in twenty
NOTICED_S = 1.0  # what nobody should notice, on a busy machine


class Cell(NamedTuple):
    """A fault that every stream outlives: `replaced` are the roles that have another process then,
    `pause_s` is how long a stream may stand still.
    """

    role: str
    fault: str
    outcome: str
    replaced: tuple[str, ...]
    pause_s: float

    @property
    def name(self) -> str:
        return f"{self.role}: {self.fault}"


STOP_S = 0.8  # and then it goes on
HANG_S = 2.0  # --step-timeout-s of the tests
SILENCE_S = 4.0  # --hang-timeout-s of the tests, until it is noticed
LOAD_S = 20.0  # for a restart on a busy machine; how long most take is held elsewhere

SAME = "streams pause, and go on with the same tokens"
PAUSE = "streams pause for as long"
DRAIN = "streams come to their end, then it and its worker are started again"
ONE_DRAINS = "its streams come to their end, then it is started again"
NOTHING = "nobody notices"

CELLS = (
    Cell("worker", "SIGKILL", SAME, ("worker",), LOAD_S),
    Cell("worker", "SIGTERM", SAME, ("worker",), LOAD_S),
    Cell("worker", "SIGSTOP", SAME, ("worker",), HANG_S + 1.0 + LOAD_S),
    Cell("worker", "SIGSTOP, SIGCONT", PAUSE, (), STOP_S + NOTICED_S),
    Cell("worker", "exception", SAME, ("worker",), LOAD_S),
    Cell("worker", "memory error", SAME, ("worker",), LOAD_S),
    Cell("worker", "exit", SAME, ("worker",), LOAD_S),
    Cell("worker", "stall", SAME, ("worker",), HANG_S + 1.0 + LOAD_S),
    Cell("worker", "disk full", NOTHING, (), NOTICED_S),
    Cell("worker", "socket file removed", SAME, ("worker",), LOAD_S),
    Cell("scheduler", "SIGKILL", SAME, ("scheduler",), LOAD_S),
    Cell("scheduler", "SIGTERM", DRAIN, ("scheduler", "worker"), NOTICED_S),
    Cell("scheduler", "SIGSTOP", SAME, ("scheduler",), SILENCE_S + LOAD_S),
    Cell("scheduler", "SIGSTOP, SIGCONT", PAUSE, (), STOP_S + NOTICED_S),
    Cell("scheduler", "exception", SAME, ("scheduler",), LOAD_S),
    Cell("scheduler", "memory error", SAME, ("scheduler",), LOAD_S),
    Cell("scheduler", "stall", SAME, ("scheduler",), SILENCE_S + LOAD_S),
    Cell("scheduler", "disk full", NOTHING, (), NOTICED_S),
    Cell("scheduler", "socket file removed", SAME, ("scheduler",), LOAD_S),
    Cell("api", "SIGTERM", ONE_DRAINS, ("api",), NOTICED_S),
    Cell("api", "SIGSTOP, SIGCONT", PAUSE, (), STOP_S + NOTICED_S),
    Cell("api", "disk full", NOTHING, (), NOTICED_S),
    Cell("supervisor", "SIGSTOP, SIGCONT", NOTHING, (), NOTICED_S),
    Cell("supervisor", "disk full", NOTHING, (), NOTICED_S),
)


class LostApi(NamedTuple):
    """A fault of one API process of two: the streams it serves end with it, and nothing else."""

    fault: str
    outcome: str

    @property
    def name(self) -> str:
        return f"api: {self.fault}"


OTHERS = "its streams end without [DONE]; those of other API processes go on"

LOST_API = (
    LostApi("SIGKILL", OTHERS),
    LostApi("SIGSTOP", OTHERS),
    LostApi("exception", OTHERS),
    LostApi("stall", OTHERS),
    LostApi("socket file removed", OTHERS),
)


class Leaving(NamedTuple):
    """A client that is no good, and where it stands: at an API process, or at the scheduler."""

    role: str
    fault: str

    @property
    def name(self) -> str:
        return f"{self.role}: {self.fault}"


WAYS_TO_LEAVE = (
    "slow reader",
    "disconnect while queued",
    "disconnect in prefill",
    "disconnect in decode",
)
LEAVING = tuple(Leaving(role, fault) for role in ("api", "scheduler") for fault in WAYS_TO_LEAVE)


class Ended(NamedTuple):
    """A fault of the supervisor that ends the deployment."""

    fault: str
    outcome: str


ENDED = (
    Ended("SIGKILL", "nothing of Forge is left a second later, not even what is stopped"),
    Ended(
        "SIGTERM", "streams come to their end, exit code 0, also where its log cannot be written"
    ),
)

NO_CLIENT = "no client meets it: the scheduler and the API stand before it"
NO_LOOP = "it computes nothing for a request; what could be raised in it ends it: see SIGKILL"
# Which cells there are not, and why.
ABSENT = {
    ("api", "exit"): "as SIGKILL",
    ("api", "memory error"): "in its loop as exception; in a handler it is a 500 for that request",
    ("scheduler", "exit"): "as SIGKILL",
    ("supervisor", "exit"): "as SIGKILL",
    ("supervisor", "exception"): NO_LOOP,
    ("supervisor", "memory error"): NO_LOOP,
    ("supervisor", "stall"): "as SIGSTOP, SIGCONT: nobody watches it but its service manager",
    ("supervisor", "SIGSTOP"): "as SIGSTOP, SIGCONT, for as long as nothing ends meanwhile",
    ("supervisor", "slow reader"): "its log: kept up to 1 MiB, then lost (tests/common/supervisor)",
    ("supervisor", "socket file removed"): "it has none",
    **{(role, way): NO_CLIENT for role in ("worker", "supervisor") for way in FAULTS[9:12]},
    ("worker", "slow reader"): "its one reader is the scheduler: see stall and SIGSTOP there",
}
