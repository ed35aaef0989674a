"""The requests that are disturbed, one of each kind, and what each stream said, and when.

A stream is a thread that reads one reply to its end, whatever that end is.
"""

from __future__ import annotations

import http.client
import json
import socket
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any, NamedTuple

import pytest

from tests.integration.said import Choice, joined

NUM_TOKENS = 80
WAIT_S = 40.0
PROMPT = "The forge is hot and the day is long. " * 4
PLAIN = {"prompt": PROMPT, "max_tokens": NUM_TOKENS, "ignore_eos": True, "speculative": False}
COUNTS = {
    "type": "array",
    "items": {"type": "integer", "minimum": 100, "maximum": 999},
    "minItems": NUM_TOKENS // 4,
    "maxItems": NUM_TOKENS // 4,
}
SCHEMA = {
    "messages": [{"role": "user", "content": "Count."}],
    "max_tokens": 4 * NUM_TOKENS,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": COUNTS}},
    "seed": 17,
    "temperature": 1.0,
    "speculative": False,
}


class Request(NamedTuple):
    path: str
    body: Mapping[str, Any]


COMPLETIONS = "/v1/completions"
REQUESTS: Mapping[str, Request] = {
    "greedy": Request(COMPLETIONS, PLAIN | {"temperature": 0}),
    "seeded": Request(COMPLETIONS, PLAIN | {"seed": 7, "temperature": 0.9}),
    "n = 2": Request(COMPLETIONS, PLAIN | {"seed": 11, "n": 2, "presence_penalty": 0.3}),
    "logprobs": Request(COMPLETIONS, PLAIN | {"seed": 3, "logprobs": 2}),
    "drafts": Request(
        COMPLETIONS,
        PLAIN | {"temperature": 0, "speculative": True, "max_tokens": 4 * NUM_TOKENS},
    ),
    "schema": Request("/v1/chat/completions", SCHEMA),
}


class Stream(threading.Thread):
    def __init__(self, url: str, request: Request) -> None:
        super().__init__(daemon=True)
        self.is_done = False
        self.error: object = None
        self.arrived_at_s: list[float] = []
        self._events: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=WAIT_S)
        body = json.dumps({**request.body, "stream": True})
        headers = {"Content-Type": "application/json"}
        self._connection.request("POST", request.path, body, headers)
        assert isinstance(self._connection.sock, socket.socket)
        self.port: int = self._connection.sock.getsockname()[1]
        self.start()

    @property
    def num_events(self) -> int:
        return len(self.arrived_at_s)

    def run(self) -> None:
        try:
            with closing(self._connection), self._connection.getresponse() as lines:
                for line in lines:
                    self._take(line.removeprefix(b"data: ").strip())
        except (OSError, http.client.HTTPException) as error:
            self.error = error

    def wait(self) -> Stream:
        self.join(WAIT_S)
        assert not self.is_alive(), "a stream does not end"
        return self

    def choices(self) -> dict[int, Choice]:
        self.wait()
        assert self.is_done, self.error
        return {index: joined(events) for index, events in self._events.items()}

    def longest_gap_s(self, since_s: float) -> float:
        """Between two events, the first of which may be before `since_s` and the second is not."""
        pairs = zip(self.arrived_at_s, self.arrived_at_s[1:], strict=False)
        return max((later - former for former, later in pairs if later >= since_s), default=0.0)

    def _take(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.is_done = True
        elif data.startswith(b"{"):
            event = json.loads(data)
            self.error = event.get("error", self.error)
            for choice in event.get("choices", []):
                self._events[choice["index"]].append(choice)
            self.arrived_at_s.append(time.monotonic())


Said = Mapping[str, Mapping[int, Choice]]


def start(url: str, names: Iterable[str] = REQUESTS) -> dict[str, Stream]:
    """All at about the same time, the one first whose grammar may have to be compiled."""
    streams = {}
    for name in sorted(names, key=lambda name: name != "schema"):
        streams[name] = Stream(url, REQUESTS[name])
        if name == "schema":
            wait_until_all_gain([streams[name]], 1)
    return streams


def wait_until_all_gain(streams: Iterable[Stream], num_events: int) -> None:
    """Until each has had so many more: all are in the middle, and nobody is on trial."""
    watched = list(streams)
    wanted = [stream.num_events + num_events for stream in watched]
    deadline_s = time.monotonic() + WAIT_S
    while any(s.num_events < number for s, number in zip(watched, wanted, strict=True)):
        assert time.monotonic() < deadline_s, [stream.num_events for stream in watched]
        assert not any(stream.is_done for stream in watched), "too late to disturb them"
        time.sleep(0.002)


def assert_same(streams: Mapping[str, Stream], undisturbed: Said) -> None:
    """No token lost, none doubled, none another; scores are those of another batch."""
    for name, stream in streams.items():
        said = stream.choices()
        assert said.keys() == undisturbed[name].keys()
        for index, choice in said.items():
            expected = undisturbed[name][index]
            assert choice._replace(logprobs=[]) == expected._replace(logprobs=[]), name
            assert choice.logprobs == pytest.approx(expected.logprobs, abs=1e-3), name
