"""A scheduler or an API that dies: streams pause and say the same, and others serve meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from forge_common.client import ForgeClient, Output, SamplingParams
from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge
from tests.integration.test_end import child_named
from tests.integration.test_roles_alone import run_dir, start_role
from tests.integration.test_worker_loss import (
    PLAIN,
    REQUESTS,
    WAIT_S,
    Stream,
    is_ready,
    metric,
    wait_until_all_gain,
)

__all__ = ["run_dir"]

pytestmark = pytest.mark.integration

SCHEMA = {
    "type": "object",
    "properties": {
        "names": {"type": "array", "items": {"type": "string"}, "minItems": 30},
    },
    "required": ["names"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}}
USAGE = {"stream_options": {"include_usage": True}}
MORE: dict[str, dict[str, Any]] = {
    "three choices": PLAIN | {"seed": 11, "n": 3, "frequency_penalty": 0.2},
    "schema": PLAIN | {"seed": 2, "response_format": FORMAT, "ignore_eos": False},
    "repeated text": PLAIN | {"temperature": 0, "prompt": "one two three four five " * 40},
    "minimum and stop": PLAIN | {"seed": 9, "min_tokens": 250, "ignore_eos": False},
}
ALL = {name: body | USAGE for name, body in (REQUESTS | MORE).items()}

DEADLY_PROMPT = [301, 302, 303]
# Python runs a module of this name at the start of each process that finds it in its path.
DEADLY = f"""
import os, signal, sys
if "forge_scheduler" in sys.orig_argv:
    from forge_common.transport import ServerChannel
    receive = ServerChannel.receive
    def receive_or_die(self):
        envelope = receive(self)
        message = getattr(envelope, "message", None)
        if getattr(message, "prompt_token_ids", [])[:3] == {DEADLY_PROMPT}:
            os.kill(os.getpid(), signal.SIGKILL)
        return envelope
    ServerChannel.receive = receive_or_die
"""


def kill(forge: LaunchedForge, *modules: str) -> None:
    for module in modules:
        os.kill(child_named(forge, module), signal.SIGKILL)


def assert_said_the_same(streams: dict[str, Stream], expected: dict[str, Stream]) -> None:
    for name, stream in streams.items():
        undisturbed = expected[name].choices()
        for index, choice in stream.choices().items():
            assert choice._replace(logprobs=[]) == undisturbed[index]._replace(logprobs=[]), name
            assert choice.logprobs == pytest.approx(undisturbed[index].logprobs, abs=1e-3), name
        assert counted(stream) == counted(expected[name]), name


def counted(stream: Stream) -> dict[str, int]:
    """Usage, but for what was found in the prefix cache, which others filled."""
    return {name: n for name, n in stream.usage.items() if not name.endswith("details")}


def undisturbed(forge: LaunchedForge, bodies: dict[str, dict[str, Any]]) -> dict[str, Stream]:
    streams = {}
    for name, body in bodies.items():
        streams[name] = Stream(forge, body)
        streams[name].choices()
    return streams


def test_streams_outlive_two_schedulers_and_say_the_same(launch: Launch) -> None:
    forge = launch(model=None).wait_until_ready()
    expected = undisturbed(forge, ALL)
    others = [child_named(forge, module) for module in ("forge_worker", "forge_api")]
    streams = {name: Stream(forge, body) for name, body in ALL.items()}
    for _ in range(2):
        wait_until_all_gain(list(streams.values()), 20)
        kill(forge, "forge_scheduler")
    assert_said_the_same(streams, expected)
    assert metric(forge, "forge_sequences_resumed_total") > 0
    assert [child_named(forge, module) for module in ("forge_worker", "forge_api")] == others


def test_streams_outlive_scheduler_and_worker_together(launch: Launch) -> None:
    forge = launch(model=None).wait_until_ready()
    expected = undisturbed(forge, REQUESTS)
    streams = {name: Stream(forge, body) for name, body in REQUESTS.items()}
    wait_until_all_gain(list(streams.values()), 20)
    kill(forge, "forge_scheduler", "forge_worker")
    assert_said_the_same(streams, expected)


def test_those_who_wait_for_a_place_are_served_by_the_next_scheduler(launch: Launch) -> None:
    forge = launch("--max-batch-size", "2", model=None).wait_until_ready()
    bodies = {str(seed): PLAIN | {"seed": seed, "max_tokens": 150} for seed in range(6)}
    expected = undisturbed(forge, bodies)
    streams = {name: Stream(forge, body) for name, body in bodies.items()}
    deadline = time.monotonic() + WAIT_S
    while sum(stream.num_events > 20 for stream in streams.values()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.002)
    kill(forge, "forge_scheduler")
    assert_said_the_same(streams, expected)


def wait_until(forge: LaunchedForge, *, ready: bool) -> None:
    """No answer is none of readiness either."""
    deadline = time.monotonic() + WAIT_S
    while answers_ready(forge) is not ready:
        assert time.monotonic() < deadline
        time.sleep(0.005)


def answers_ready(forge: LaunchedForge) -> bool:
    try:
        return is_ready(forge)
    except OSError:
        return False


def test_not_ready_without_a_scheduler_but_requests_wait_for_the_next(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    kill(forge, "forge_scheduler")
    wait_until(forge, ready=False)
    reply = forge.post("/v1/completions", prompt="hello", max_tokens=4, ignore_eos=True)
    assert reply["usage"]["completion_tokens"] == 4
    wait_until(forge, ready=True)


def test_request_that_kills_schedulers_ends_alone(launch: Launch, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(DEADLY)
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    forge = launch(model=None, PYTHONPATH=path).wait_until_ready()
    bodies = {str(seed): PLAIN | {"seed": seed} for seed in range(3)}
    expected = undisturbed(forge, bodies)
    streams = {name: Stream(forge, body) for name, body in bodies.items()}
    wait_until_all_gain(list(streams.values()), 20)
    with pytest.raises(urllib.error.HTTPError) as caught:
        forge.post("/v1/completions", prompt=DEADLY_PROMPT, max_tokens=4)
    assert caught.value.code == 500
    message = json.load(caught.value)["error"]["message"]
    assert message.startswith("schedulers ended again and again while they served this request")
    assert_said_the_same(streams, expected)


def test_zmq_client_goes_on_with_the_next_scheduler(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    sampling = SamplingParams(max_tokens=300, seed=5)
    with ForgeClient.connect(forge.client_endpoint) as client:
        expected = [t for output in client.generate([1, 2, 3], sampling) for t in output.token_ids]
        outputs = client.generate([1, 2, 3], sampling)
        token_ids = [t for _ in range(20) for t in next(outputs).token_ids]
        kill(forge, "forge_scheduler")
        token_ids += [t for output in outputs for t in output.token_ids]
    assert token_ids == expected


def test_one_of_two_apis_that_dies_costs_only_its_own_streams(launch: Launch) -> None:
    forge = launch("--api-workers", "2", model=None).wait_until_ready()
    bodies = {str(seed): PLAIN | {"seed": seed, "max_tokens": 600} for seed in range(8)}
    streams = {name: Stream(forge, body) for name, body in bodies.items()}
    wait_until_all_gain(list(streams.values()), 5)
    kill(forge, "forge_api")
    num_lines = len(forge.lines)
    statuses = {models_status(forge) for _ in range(50)}  # by whoever is there
    assert statuses == {200}
    for stream in streams.values():
        stream.join(WAIT_S)
    num_lost = sum(not stream.is_done for stream in streams.values())
    assert num_lost < len(streams)  # the kernel spreads connections over both, as a rule
    wait_until_both_serve(forge, num_lines)
    assert metric_soon(forge, "forge_requests_running", 0.0)
    assert metric(forge, "forge_kv_cache_usage_ratio") == 0.0


def models_status(forge: LaunchedForge) -> int:
    """Asked anew where the connection was to the one that died."""
    try:
        with urllib.request.urlopen(f"{forge.url}/v1/models", timeout=10) as reply:  # noqa: S310
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return models_status(forge)


def wait_until_both_serve(forge: LaunchedForge, num_lines: int) -> None:
    """Those that have answered since are named in the log."""
    deadline = time.monotonic() + WAIT_S
    while True:
        answers = [line for line in forge.lines[num_lines:] if "GET /v1/models 200" in line]
        if len({line.split()[0] for line in answers}) == 2:
            return
        assert time.monotonic() < deadline, answers
        models_status(forge)
        time.sleep(0.02)


def metric_soon(forge: LaunchedForge, name: str, value: float) -> bool:
    deadline = time.monotonic() + WAIT_S
    while metric(forge, name) != value:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_only_api_that_dies_is_started_again(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    stream = Stream(forge, PLAIN | {"max_tokens": 1000, "prompt": "hello"})
    wait_until_all_gain([stream], 5)
    kill(forge, "forge_api")
    wait_until(forge, ready=True)
    reply = forge.post("/v1/completions", prompt="hello", max_tokens=4, ignore_eos=True)
    assert reply["usage"]["completion_tokens"] == 4
    assert metric_soon(forge, "forge_requests_running", 0.0)


WORKERS = {
    "native": ("forge_worker", "--backend", "cpu"),
    "numpy": ("forge_worker", "--backend", "cpu", "--cpu-kernels", "numpy"),
    "cuda": ("tests.integration.emulated_worker", "--backend", "cuda", "--dtype", "float32"),
}


@pytest.mark.parametrize("kind", WORKERS)
def test_worker_started_by_hand_waits_for_the_next_scheduler(
    kind: str, run_dir: Path, small_model: Path
) -> None:
    """Whatever computes, it forgets all it was told and keeps what it has loaded."""
    module, *flags = WORKERS[kind]
    clients, workers = f"ipc://{run_dir}/c", ("--worker-endpoint", f"ipc://{run_dir}/w")
    small = ("--max-batch-size", "2", "--max-prefill-tokens", "64")
    of_scheduler = ("forge_scheduler", "--client-endpoint", clients, *workers, *small)
    of_worker = (module, "--model-path", str(small_model), "--max-model-len", "256", *flags)
    sampling = SamplingParams(max_tokens=60, seed=5, num_choices=2, frequency_penalty=0.5)
    with ExitStack() as stack:
        worker = stack.enter_context(running(*of_worker, *workers, *small))
        first = stack.enter_context(running(*of_scheduler))
        client = stack.enter_context(ForgeClient.connect(clients, timeout_s=60.0))
        expected = tokens_of(client.generate([1, 2, 3], sampling), sys.maxsize)
        outputs = client.generate([1, 2, 3], sampling)
        said = tokens_of(outputs, 30)
        first.kill()
        first.communicate()
        second = stack.enter_context(running(*of_scheduler))
        for choice, token_ids in tokens_of(outputs, sys.maxsize).items():
            said[choice] += token_ids
        second.terminate()
        for process in (second, worker):  # which is dismissed
            process.communicate(timeout=20)
            assert process.returncode == 0
    assert said == expected


@contextmanager
def running(module: str, *flags: str) -> Iterator[subprocess.Popen[str]]:
    """Until the test is over, however it ends."""
    process = start_role(module, *flags)
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


def tokens_of(outputs: Iterator[Output], num_outputs: int) -> dict[int, list[int]]:
    """By choice, of so many outputs."""
    said: dict[int, list[int]] = defaultdict(list)
    for output in islice(outputs, num_outputs):
        said[output.choice_index] += output.token_ids
    return said
