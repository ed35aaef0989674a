"""Messages and arrays arrive whole and in order, and an end is told from a breach."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import numpy as np
import pytest

from forge_worker.parallel.rank_link import LENGTH, RankGone, RankLink


class Pair:
    """Two ends of a link, and the bare socket of the second."""

    def __init__(self) -> None:
        first, self.bare = socket.socketpair()
        self.first, self.second = RankLink(first, 1), RankLink(self.bare, 0)


@pytest.fixture
def pair() -> Iterator[Pair]:
    pair = Pair()
    yield pair
    pair.first.close()
    pair.second.close()


def test_messages_and_arrays_keep_their_order(pair: Pair) -> None:
    array, out = np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((2, 3), np.float32)
    pair.first.send_message(b"first")
    pair.first.send_array(array)
    pair.first.send_message(b"")
    assert pair.second.receive_message() == b"first"
    pair.second.receive_array(out)
    assert (out == array).all()
    assert pair.second.receive_message() == b""


def test_array_of_no_rows_takes_nothing(pair: Pair) -> None:
    pair.first.send_array(np.zeros((0, 5), np.float32))
    pair.second.receive_array(np.zeros((0, 5), np.float32))
    pair.first.send_message(b"next")
    assert pair.second.receive_message() == b"next"


def test_end_between_messages_is_an_end(pair: Pair) -> None:
    pair.first.send_message(b"last")
    pair.first.close()
    assert pair.second.receive_message() == b"last"
    assert pair.second.receive_message() is None


@pytest.mark.parametrize("sent", [b"\1", LENGTH.pack(5), LENGTH.pack(5) + b"abc"])
def test_end_inside_a_message_is_a_breach(pair: Pair, sent: bytes) -> None:
    pair.bare.sendall(sent)
    pair.second.close()
    with pytest.raises(RankGone, match="rank 1"):
        pair.first.receive_message()


def test_end_before_an_array_is_a_breach(pair: Pair) -> None:
    pair.first.close()
    with pytest.raises(RankGone, match="rank 0"):
        pair.second.receive_array(np.zeros(3))


def test_nobody_to_send_to_is_a_breach(pair: Pair) -> None:
    pair.first.close()
    with pytest.raises(RankGone):
        pair.second.send_message(b"hello")


def test_array_with_gaps_is_refused(pair: Pair) -> None:
    with pytest.raises(ValueError, match="gaps"):
        pair.first.send_array(np.zeros((4, 4))[:, :2])
