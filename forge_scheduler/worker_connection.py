"""WorkerConnection: tells, from what a socket's monitor saw, when the worker's connection is lost.

Monitors know connections by file descriptor, messages by the name a peer gives itself; nothing ties
the two. But the worker's connection is one of those open when it is first watched, after it has
introduced itself, so it is lost at the latest when all of these are: a stranger who knocks
meanwhile raises no alarm. Knows no socket.
"""

from __future__ import annotations

import zmq

EVENTS = zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED


class WorkerConnection:
    def __init__(self) -> None:
        self._open: set[int] = set()
        self._candidates: set[int] = set()
        self._worker: bytes | None = None

    @property
    def is_lost(self) -> bool:
        return self._worker is not None and not self._candidates

    def watch(self, worker: bytes | None) -> None:
        """Whose connection is meant from now on; what happened until now has been told."""
        if worker != self._worker:
            self._worker = worker
            self._candidates = set(self._open)

    def on_event(self, event: int, descriptor: int) -> None:
        """One of EVENTS, in the order in which they came."""
        if event == zmq.EVENT_ACCEPTED:
            self._open.add(descriptor)
            return
        self._open.discard(descriptor)
        self._candidates.discard(descriptor)
