"""Outbox: messages to clients, in order, held back for those that read slowly, up to a bound.

ZeroMQ queues some thousand messages for a client by itself; what it takes no more waits here.
Knows nothing of what a message means, nor of sockets: sending is a function that raises PeerGone or
PeerSlow.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from msgspec import Struct

from forge_common.transport import PeerGone, PeerSlow

MAX_HELD_MESSAGES = 512

Send = Callable[[bytes, Struct], None]


class Outbox:
    """Posts at once where it can, later where it must, never out of order."""

    def __init__(self, send: Send, max_held_messages: int = MAX_HELD_MESSAGES) -> None:
        self._send = send
        self._max_held_messages = max_held_messages
        self._held: dict[bytes, deque[Struct]] = {}

    @property
    def is_empty(self) -> bool:
        return not self._held

    def post(self, peer: bytes, message: Struct) -> None:
        """Send, or hold back. Raises PeerGone, and PeerSlow once too much is held."""
        held = self._held.get(peer)
        if held is None:
            try:
                self._send(peer, message)
                return
            except PeerSlow:
                held = self._held[peer] = deque()
        if len(held) >= self._max_held_messages:
            raise PeerSlow(f"{len(held)} messages wait for peer {peer!r}")
        held.append(message)

    def forget(self, peer: bytes) -> None:
        """Drop what is held for a peer."""
        self._held.pop(peer, None)

    def hold_only(self, peer: bytes, message: Struct) -> None:
        """Let this one message stand for everything that is held for a peer."""
        self._held[peer] = deque([message])

    def flush(self) -> list[bytes]:
        """Try again; returns the peers that turn out to be gone."""
        return [peer for peer in list(self._held) if not self._flush_peer(peer)]

    def _flush_peer(self, peer: bytes) -> bool:
        held = self._held[peer]
        try:
            while held:
                self._send(peer, held[0])
                held.popleft()
        except PeerSlow:
            return True
        except PeerGone:
            self.forget(peer)
            return False
        self.forget(peer)
        return True
