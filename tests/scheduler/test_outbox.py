from __future__ import annotations

import pytest
from msgspec import Struct

from forge_common.protocol.api_scheduler import Accepted
from forge_common.transport import PeerGone, PeerSlow
from forge_scheduler.outbox import Outbox


class FakeSocket:
    """Sends, or fails as it is told to."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.failure: Exception | None = None

    def send(self, peer: bytes, message: Struct) -> None:
        if self.failure is not None:
            raise self.failure
        assert isinstance(message, Accepted)
        self.sent.append(message.request_id)


@pytest.fixture
def socket() -> FakeSocket:
    return FakeSocket()


@pytest.fixture
def outbox(socket: FakeSocket) -> Outbox:
    return Outbox(socket.send, max_held_messages=2)


def post(outbox: Outbox, *names: str) -> None:
    for name in names:
        outbox.post(b"peer", Accepted(name))


def test_reader_gets_messages_at_once(socket: FakeSocket, outbox: Outbox) -> None:
    post(outbox, "a", "b")
    assert socket.sent == ["a", "b"]
    assert outbox.is_empty


def test_slow_reader_gets_messages_later_and_in_order(socket: FakeSocket, outbox: Outbox) -> None:
    socket.failure = PeerSlow("full")
    post(outbox, "a")
    socket.failure = None
    post(outbox, "b")
    assert socket.sent == []
    assert outbox.flush() == []
    assert socket.sent == ["a", "b"]
    assert outbox.is_empty


def test_still_slow_reader_loses_nothing(socket: FakeSocket, outbox: Outbox) -> None:
    socket.failure = PeerSlow("full")
    post(outbox, "a", "b")
    assert outbox.flush() == []
    socket.failure = None
    outbox.flush()
    assert socket.sent == ["a", "b"]


def test_too_much_held_is_an_error(socket: FakeSocket, outbox: Outbox) -> None:
    socket.failure = PeerSlow("full")
    post(outbox, "a", "b")
    with pytest.raises(PeerSlow):
        post(outbox, "c")


def test_one_message_can_stand_for_all_held(socket: FakeSocket, outbox: Outbox) -> None:
    socket.failure = PeerSlow("full")
    post(outbox, "a", "b")
    outbox.hold_only(b"peer", Accepted("end"))
    socket.failure = None
    outbox.flush()
    assert socket.sent == ["end"]


def test_peer_that_left_is_reported(socket: FakeSocket, outbox: Outbox) -> None:
    socket.failure = PeerSlow("full")
    post(outbox, "a")
    socket.failure = PeerGone("gone")
    assert outbox.flush() == [b"peer"]
    assert outbox.is_empty


def test_posting_to_who_left_is_an_error(socket: FakeSocket, outbox: Outbox) -> None:
    socket.failure = PeerGone("gone")
    with pytest.raises(PeerGone):
        post(outbox, "a")
