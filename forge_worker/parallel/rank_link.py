"""RankLink: a stream socket to one other rank, for messages and arrays in the order of sending.

A message carries its length; an array does not, since both sides know its shape. That the other
process is gone shows at once, as the end of the stream. Knows bytes, not what they mean.
"""

from __future__ import annotations

import socket
import struct
from typing import Any

import numpy as np
import numpy.typing as npt

from forge_common.errors import WorkerError

LENGTH = struct.Struct("<Q")


class RankGone(WorkerError):
    """Another rank ended in the middle of the work that is shared with it."""


class RankLink:
    def __init__(self, connection: socket.socket, other_rank: int) -> None:
        self._connection = connection
        self._other_rank = other_rank

    def send_message(self, message: bytes) -> None:
        self._send(memoryview(LENGTH.pack(len(message)) + message))

    def receive_message(self) -> bytes | None:
        """None when the other rank has nothing more to say, and said its last message in full."""
        length = bytearray(LENGTH.size)
        if not self._fill(memoryview(length)):
            return None
        message = bytearray(LENGTH.unpack(length)[0])
        self._receive(memoryview(message))
        return bytes(message)

    def send_array(self, array: npt.NDArray[Any]) -> None:
        self._send(_bytes_of(array))

    def receive_array(self, out: npt.NDArray[Any]) -> None:
        """Overwrite `out`, contiguous and of the shape that the other rank sends."""
        self._receive(_bytes_of(out))

    def close(self) -> None:
        self._connection.close()

    def _send(self, data: memoryview) -> None:
        try:
            self._connection.sendall(data)
        except OSError as error:
            raise self._gone() from error

    def _receive(self, out: memoryview) -> None:
        if len(out) and not self._fill(out):
            raise self._gone()

    def _fill(self, out: memoryview) -> bool:
        """False where the stream ends before the first byte; RankGone where it ends later."""
        num_received = 0
        while num_received < len(out):
            count = self._receive_some(out[num_received:])
            if count == 0 and num_received == 0:
                return False
            if count == 0:
                raise self._gone()
            num_received += count
        return True

    def _receive_some(self, out: memoryview) -> int:
        try:
            return self._connection.recv_into(out)
        except OSError as error:
            raise self._gone() from error

    def _gone(self) -> RankGone:
        return RankGone(f"rank {self._other_rank} of this worker has ended")


def _bytes_of(array: npt.NDArray[Any]) -> memoryview:
    if not array.flags.c_contiguous:
        raise ValueError("an array that ranks exchange has gaps between its elements")
    return array.reshape(-1).view(np.uint8).data
