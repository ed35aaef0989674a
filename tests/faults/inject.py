"""How each fault is brought about, from outside where that is possible."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from functools import partial

from tests.faults.cells import STOP_S
from tests.faults.deployment import Deployment
from tests.faults.faulty_role import FAULTS

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP)
SOCKETS = {"worker": "worker.sock", "scheduler": "worker.sock", "api": "clients.sock"}


def send(number: signal.Signals, deployment: Deployment, role: str) -> None:
    deployment.signal(role, number)


def ask_for(fault: str, deployment: Deployment, role: str) -> None:
    deployment.ask_for(fault, role)


def stop_for_a_while(deployment: Deployment, role: str) -> None:
    deployment.signal(role, signal.SIGSTOP)
    time.sleep(STOP_S)
    deployment.signal(role, signal.SIGCONT)


def remove_socket_and_kill(deployment: Deployment, role: str) -> None:
    """Whoever is started next needs the file, or makes it."""
    (deployment.run_dir / SOCKETS[role]).unlink()
    deployment.signal(role, signal.SIGKILL)


INJECT: Mapping[str, Callable[[Deployment, str], None]] = {
    **{number.name: partial(send, number) for number in SIGNALS},
    **{fault: partial(ask_for, fault) for fault in FAULTS},
    "SIGSTOP, SIGCONT": stop_for_a_while,
    "socket file removed": remove_socket_and_kill,
}
