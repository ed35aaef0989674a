"""A worker that dies while it answers: streams pause, and go on to the very same end."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import urllib.error
import urllib.request
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge, wait_until_gone
from tests.integration.said import Choice, joined
from tests.integration.test_end import LONG, child_named

pytestmark = pytest.mark.integration

WAIT_S = 60.0
NUM_TOKENS = 300
PROMPT = "The forge is hot and the day is long. " * 4
PLAIN = {"prompt": PROMPT, "max_tokens": NUM_TOKENS, "ignore_eos": True, "stream": True}
REQUESTS: dict[str, dict[str, Any]] = {
    "greedy": PLAIN | {"temperature": 0},
    "seeded": PLAIN | {"seed": 7, "temperature": 0.9},
    "two choices": PLAIN | {"seed": 11, "n": 2, "presence_penalty": 0.3},
    "logprobs": PLAIN | {"seed": 3, "logprobs": 2},
    "scored prompt": PLAIN | {"seed": 5, "echo": True, "logprobs": 1},
}


DEADLY_PROMPT = [301, 302, 303]
# Python runs a module of this name at the start of each process that finds it in its path.
DEADLY = f"""
import os, signal, sys
if "forge_worker" in sys.orig_argv:
    from forge_common.transport import ClientChannel
    receive = ClientChannel.receive
    def receive_or_die(self):
        message = receive(self)
        new = getattr(message, "new", [])
        if any(sequence.token_ids[:3] == {DEADLY_PROMPT} for sequence in new):
            os.kill(os.getpid(), signal.SIGKILL)
        return message
    ClientChannel.receive = receive_or_die
"""


class Stream(threading.Thread):
    """Reads one request to its end."""

    def __init__(self, forge: LaunchedForge, body: dict[str, Any]) -> None:
        super().__init__(daemon=True)
        self.num_events = 0
        self.is_done = False
        self.error: Any = None
        self.usage: dict[str, Any] = {}
        self._events: dict[int, list[dict[str, Any]]] = defaultdict(list)
        self._response = forge.open("/v1/completions", **body)
        self.start()

    def run(self) -> None:
        for line in self._response:
            data = line.removeprefix(b"data: ").strip()
            if data == b"[DONE]":
                self.is_done = True
            elif data:
                self._take(json.loads(data))

    def _take(self, event: dict[str, Any]) -> None:
        self.error = event.get("error", self.error)
        self.usage = event.get("usage") or self.usage
        for choice in event.get("choices", []):
            self._events[choice["index"]].append(choice)
            self.num_events += 1

    def choices(self) -> dict[int, Choice]:
        self.join(WAIT_S)
        assert self.is_done, self.error
        return {index: joined(events) for index, events in self._events.items()}


def wait_until_all_gain(streams: list[Stream], num_events: int) -> None:
    """Until each has had so many more; by then nobody is suspected of the last worker's death."""
    wanted = [stream.num_events + num_events for stream in streams]
    deadline = time.monotonic() + WAIT_S
    while any(s.num_events < number for s, number in zip(streams, wanted, strict=True)):
        assert time.monotonic() < deadline, [stream.num_events for stream in streams]
        assert not any(stream.is_done for stream in streams), "too late to disturb them"
        time.sleep(0.002)


def kill_worker(forge: LaunchedForge) -> None:
    os.kill(child_named(forge, "forge_worker"), signal.SIGKILL)


def is_ready(forge: LaunchedForge) -> bool:
    try:
        urllib.request.urlopen(f"{forge.url}/readyz", timeout=10).close()  # noqa: S310
    except urllib.error.HTTPError:
        return False
    return True


def wait_until(forge: LaunchedForge, *, ready: bool) -> None:
    deadline = time.monotonic() + WAIT_S
    while is_ready(forge) is not ready:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def metric(forge: LaunchedForge, name: str) -> float:
    text = urllib.request.urlopen(f"{forge.url}/metrics", timeout=10).read().decode()  # noqa: S310
    (line,) = [line for line in text.splitlines() if line.startswith(name + " ")]
    return float(line.split()[-1])


def test_streams_outlive_two_workers_and_say_the_same(launch: Launch) -> None:
    forge = launch(model=None).wait_until_ready()
    expected = {name: Stream(forge, body).choices() for name, body in REQUESTS.items()}
    others = [child_named(forge, module) for module in ("forge_scheduler", "forge_api")]
    streams = {name: Stream(forge, body) for name, body in REQUESTS.items()}
    for _ in range(2):
        wait_until_all_gain(list(streams.values()), 20)
        kill_worker(forge)
    for name, stream in streams.items():
        for index, choice in stream.choices().items():
            undisturbed = expected[name][index]
            assert choice._replace(logprobs=[]) == undisturbed._replace(logprobs=[]), name
            assert choice.logprobs == pytest.approx(undisturbed.logprobs, abs=1e-3), name
    assert metric(forge, 'forge_worker_restarts_total{loss="gone"}') == 2
    assert metric(forge, "forge_sequences_resumed_total") == 2 * 6
    assert [child_named(forge, module) for module in ("forge_scheduler", "forge_api")] == others


def test_request_that_kills_workers_ends_alone(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    forge = launch(model=None, PYTHONPATH=path).wait_until_ready()
    bodies = [PLAIN | {"seed": seed} for seed in range(3)]
    expected = [Stream(forge, body).choices() for body in bodies]
    streams = [Stream(forge, body) for body in bodies]
    wait_until_all_gain(streams, 20)
    with pytest.raises(urllib.error.HTTPError) as caught:
        forge.post("/v1/completions", prompt=DEADLY_PROMPT, max_tokens=4)
    assert caught.value.code == 500
    message = json.load(caught.value)["error"]["message"]
    assert message.startswith("two workers in succession ended while they computed this request")
    assert [stream.choices() for stream in streams] == expected
    assert metric(forge, 'forge_worker_restarts_total{loss="gone"}') == 2


def test_not_ready_without_a_worker_but_requests_wait_for_the_next(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    kill_worker(forge)
    wait_until(forge, ready=False)
    reply = forge.post("/v1/completions", prompt="hello", max_tokens=4, ignore_eos=True)
    assert reply["usage"]["completion_tokens"] == 4
    wait_until(forge, ready=True)
    health = json.loads(urllib.request.urlopen(f"{forge.url}/forge/v1/health").read())  # noqa: S310
    assert health["engine"]["num_worker_restarts"] == 1
    assert health["engine"]["worker_loss"] == "the connection to the worker is lost"


def test_stream_ends_though_the_worker_dies_while_the_server_drains(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    stream = Stream(forge, LONG)
    wait_until_all_gain([stream], 5)
    forge.terminate()
    time.sleep(0.05)
    kill_worker(forge)
    assert stream.choices()[0].finish_reason == "length"
    assert forge.wait_until_ended().exit_code == 0


def test_stop_is_not_delayed_by_a_worker_that_is_away(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    children = forge.children
    kill_worker(forge)
    wait_until(forge, ready=False)
    forge.terminate()
    assert forge.wait_until_ended(timeout_s=10.0).exit_code == 0
    wait_until_gone(children, 0.0)


def test_worker_that_dies_all_the_time_ends_all(launch: Launch) -> None:
    forge = launch("--max-restarts", "2").wait_until_ready()
    stream = Stream(forge, LONG | {"n": 16})
    seen = set(forge.children)
    while forge.process.poll() is None:
        seen |= set(forge.children)
        try:
            kill_worker(forge)
        except (AssertionError, OSError):  # none is there at the moment
            time.sleep(0.01)
    ended = forge.wait_until_ended()
    assert ended.exit_code == 128 + signal.SIGKILL
    assert ended.last_line == (
        "forge-launch: error: worker: was killed by SIGKILL,"
        " after it was restarted 2 times within 10 minutes"
    )
    wait_until_gone(list(seen), 0.0)
    stream.join(WAIT_S)
    assert not stream.is_done
