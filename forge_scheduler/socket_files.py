"""SocketFiles: binds sockets anew whose files somebody removed, as cleaners of /tmp do.

Connections that are there go on without the file, but nobody new finds the way: a worker that is
started again would wait for ever. Knows no message, and not how often it is asked.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from forge_common.errors import LinkError
from forge_common.transport import ServerChannel

logger = logging.getLogger(__name__)


class SocketFiles:
    def __init__(self, channels: Sequence[ServerChannel[Any]]) -> None:
        self._channels = channels
        self._failed: set[str] = set()  # endpoints, so that each failure is told once

    def mend(self) -> None:
        for channel in self._channels:
            if not channel.can_be_found:
                self._bind_again(channel)

    def _bind_again(self, channel: ServerChannel[Any]) -> None:
        try:
            channel.bind_again()
        except LinkError as error:
            if channel.endpoint not in self._failed:
                logger.error("nobody new can connect: %s", error)
            self._failed.add(channel.endpoint)
        else:
            logger.warning("the file of %s was removed: it is bound again", channel.endpoint)
            self._failed.discard(channel.endpoint)
