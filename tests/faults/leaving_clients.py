"""Clients that read slowly or leave, over HTTP and over ZMQ, and can tell how far they came."""

from __future__ import annotations

import json
import secrets
import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import zmq

from forge_common.protocol.api_scheduler import Accepted, Outputs, SchedulerMessage, Submit
from forge_common.sampling import SamplingParams
from forge_common.transport import ClientChannel
from tests.faults.deployment import Deployment

TIMEOUT_S = 20.0
RECEIVE_BUFFER_BYTES = 4096


class HttpClient:
    """Speaks just enough HTTP to leave in the middle of it."""

    def __init__(self, deployment: Deployment, prompt: list[int], max_tokens: int, n: int) -> None:
        host, _, port = deployment.url.removeprefix("http://").partition(":")
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        self._socket.settimeout(TIMEOUT_S)
        self._socket.connect((host, int(port)))
        body = json.dumps(completion_of(prompt, max_tokens, n)).encode()
        self._socket.sendall(
            b"POST /v1/completions HTTP/1.1\r\nHost: forge\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    def read_first_token(self) -> None:
        received = b""
        while b"data: " not in received:
            received += self._socket.recv(RECEIVE_BUFFER_BYTES)

    def has_token(self) -> bool:
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            return b"data: " in self._socket.recv(RECEIVE_BUFFER_BYTES)
        return False

    def leave(self) -> None:
        self._socket.close()


def completion_of(prompt: list[int], max_tokens: int, n: int) -> Mapping[str, Any]:
    stated = {"prompt": prompt, "max_tokens": max_tokens, "n": n, "logprobs": 5}
    return {**stated, "ignore_eos": True, "seed": 1, "stream": True, "speculative": False}


class ZmqClient:
    """Meets the scheduler itself."""

    def __init__(self, deployment: Deployment, prompt: list[int], max_tokens: int, n: int) -> None:
        self._context = zmq.Context()
        self._channel: ClientChannel[SchedulerMessage] = ClientChannel(
            self._context, deployment.endpoint, SchedulerMessage, secrets.token_hex(8).encode()
        )
        sampling = SamplingParams(max_tokens=max_tokens, num_choices=n, seed=1, num_logprobs=5)
        self._channel.send(Submit("leaves", prompt, sampling, is_speculative=False))
        assert self._channel.wait(TIMEOUT_S)
        assert isinstance(self._channel.receive(), Accepted)

    def read_first_token(self) -> None:
        while not self.has_token():
            assert self._channel.wait(TIMEOUT_S)

    def has_token(self) -> bool:
        return any(isinstance(message, Outputs) for message in self._channel.drain())

    def leave(self) -> None:
        self._channel.close()
        self._context.term()


Client = HttpClient | ZmqClient
DOORS: Mapping[str, type[HttpClient] | type[ZmqClient]] = {
    "api": HttpClient,
    "scheduler": ZmqClient,
}
