"""However Forge ends, it ends whole: work is finished where there is time, and nothing is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge, wait_until_gone

pytestmark = pytest.mark.integration

LONG = {"prompt": "hello", "max_tokens": 1000, "ignore_eos": True, "stream": True}


def child_named(forge: LaunchedForge, module: str) -> int:
    for pid in forge.children:
        if module in Path(f"/proc/{pid}/cmdline").read_text():
            return pid
    raise AssertionError(module)


def test_stop_lets_streams_finish(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    children = forge.children
    stream = forge.open("/v1/completions", **LONG)
    stream.readline()
    forge.terminate()
    assert stream.read().endswith(b"data: [DONE]\n\n")
    ended = forge.wait_until_ended()
    assert ended.exit_code == 0
    wait_until_gone(children, 0.0)


def test_stop_ends_streams_at_the_deadline(launch: Launch) -> None:
    forge = launch("--drain-timeout-s", "0.2").wait_until_ready()
    stream = forge.open("/v1/completions", **LONG | {"n": 16})
    stream.readline()
    forge.terminate()
    began = time.monotonic()
    assert forge.wait_until_ended().exit_code == 0
    assert time.monotonic() - began < 5.0
    stream.close()


def test_second_signal_ends_all_now(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    children = forge.children
    stream = forge.open("/v1/completions", **LONG | {"n": 16})
    stream.readline()
    forge.terminate()
    time.sleep(0.1)
    forge.terminate()
    assert forge.wait_until_ended(timeout_s=2.0).exit_code == 128 + signal.SIGTERM
    wait_until_gone(children, 0.0)


def test_stop_while_starting(launch: Launch) -> None:
    forge = launch()
    while len(forge.lines) < 1:
        time.sleep(0.01)
    forge.process.send_signal(signal.SIGINT)
    assert forge.wait_until_ended(timeout_s=10.0).exit_code == 0


def test_killed_launcher_leaves_nothing(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    children = forge.children
    assert len(children) == 3
    forge.process.kill()
    wait_until_gone(children, timeout_s=1.0)


def test_killed_launcher_leaves_nothing_at_work(launch: Launch) -> None:
    forge = launch().wait_until_ready()
    children = forge.children
    stream = forge.open("/v1/completions", **LONG | {"n": 16})
    stream.readline()
    forge.process.kill()
    wait_until_gone(children, timeout_s=1.0)
    stream.close()


@pytest.mark.parametrize("module", ["forge_worker", "forge_scheduler", "forge_api"])
def test_death_of_one_process_ends_all_where_none_may_start_again(
    launch: Launch, module: str
) -> None:
    forge = launch("--max-restarts", "0").wait_until_ready()
    children = forge.children
    os.kill(child_named(forge, module), signal.SIGKILL)
    ended = forge.wait_until_ended(timeout_s=10.0)
    role = module.removeprefix("forge_")
    assert ended.last_line == (
        f"forge-launch: error: {role}: was killed by SIGKILL,"
        " after it was restarted 0 times within 10 minutes"
    )
    assert ended.exit_code == 128 + signal.SIGKILL
    wait_until_gone(children, 0.0)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_run_directory_is_gone_afterwards(launch: Launch, number: signal.Signals) -> None:
    forge = launch().wait_until_ready()
    run_dir = Path(forge.client_endpoint.removeprefix("ipc://")).parent
    assert run_dir.stat().st_mode & 0o777 == 0o700
    forge.process.send_signal(number)
    assert forge.wait_until_ended().exit_code == 0
    assert not run_dir.exists()
