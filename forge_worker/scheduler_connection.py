"""SchedulerConnection: tells, from what a socket's monitor saw, when the scheduler is lost.

The connection is waited for, however long it takes. The scheduler that was greeted is the only one
that knows this worker, so when it is gone nothing more will come by it. Knows no socket.
"""

from __future__ import annotations

import logging

import zmq

from forge_common.errors import LinkError
from forge_common.transport import REFUSALS

logger = logging.getLogger(__name__)


class SchedulerGone(LinkError):
    """It cannot be told anything any more; the next one may come."""


class SchedulerRefuses(LinkError):
    """It never lets this worker in, so it cannot be told anything either."""


class SchedulerConnection:
    def __init__(self, endpoint: str, *, is_supervised: bool) -> None:
        self.loss: SchedulerGone | SchedulerRefuses | None = None
        self._endpoint = endpoint
        self._is_supervised = is_supervised
        self._was_made = False
        self._log("waiting for the scheduler at %s")

    def on_event(self, event: int) -> None:
        """One of CONNECTION_EVENTS, in the order in which they came."""
        if event & REFUSALS:
            self.loss = SchedulerRefuses(
                "the scheduler refuses this worker: is its key in worker/ there?"
            )
        elif event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            self._was_made = True
            self._log("connected to the scheduler at %s")
        elif self._was_made:
            self.loss = SchedulerGone(
                f"the connection to the scheduler at {self._endpoint} is lost"
            )

    def _log(self, message: str) -> None:
        if not self._is_supervised:
            logger.info(message, self._endpoint)
