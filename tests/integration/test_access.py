"""Keys, limits and certificates of a real deployment, and a SIGHUP that changes them under load."""

from __future__ import annotations

import json
import shutil
import signal
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.certificates import FIRST, SECOND, trusting
from tests.integration.conftest import Launch
from tests.integration.launched_forge import LaunchedForge

pytestmark = pytest.mark.integration

KEYS = """
[keys.alice]
key = "a"
requests_per_minute = 3
[keys.root]
key = "r"
is_admin = true
"""

NUM_MANY = 40
LATE = {(504, "deadline_exceeded"), (429, "deadline_unreachable")}
PLAIN = ssl.create_default_context()  # not looked at: the address is http


def ask(
    forge: LaunchedForge,
    path: str,
    key: str,
    context: ssl.SSLContext,
    body: Any = None,
    **more: str,
) -> tuple[int, Any, Any]:
    """Status, headers, body."""
    request = urllib.request.Request(  # noqa: S310
        forge.url + path,
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": f"Bearer {key}", **more},
    )
    try:
        reply = urllib.request.urlopen(request, timeout=20, context=context)  # noqa: S310
    except urllib.error.HTTPError as error:
        reply = error
    with reply:
        return reply.status, reply.headers, json.loads(reply.read() or b"null")


def is_free(engine: dict[str, Any]) -> bool:
    return not engine["num_running"] and engine["num_free_blocks"] == engine["num_blocks"]


def becomes(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_keys_limits_and_certificate_hold_and_change_on_sighup(
    launch: Launch, tmp_path: Path
) -> None:
    keys, certificate = tmp_path / "keys.toml", tmp_path / "server.pem"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    shutil.copy(FIRST, certificate)
    forge = launch("--api-keys-file", str(keys), "--ssl-certfile", str(certificate))
    forge.wait_until_ready()
    assert forge.url.startswith("https://")
    first, second = trusting(FIRST), trusting(SECOND)
    prompt = {"prompt": "hello", "max_tokens": 2}

    status, headers, _ = ask(forge, "/v1/completions", "a", first, prompt)
    assert (status, headers["x-ratelimit-remaining-requests"]) == (200, "2")
    assert ask(forge, "/v1/completions", "b", first, prompt)[0] == 401
    late = {"X-Request-Deadline-Ms": "1"}
    assert ask(forge, "/v1/completions", "a", first, prompt, **late)[0] == 504
    assert ask(forge, "/v1/completions", "a", first, prompt)[0] == 200
    status, headers, body = ask(forge, "/v1/completions", "a", first, prompt)
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(headers["Retry-After"]) <= 20

    keys.write_text("[keys.broken")
    forge.process.send_signal(signal.SIGHUP)
    assert becomes(lambda: any("stay as they were" in line for line in forge.lines))
    assert ask(forge, "/v1/models", "a", first)[0] == 200
    keys.write_text('[keys.bob]\nkey = "b"\n[keys.root]\nkey = "r"\nis_admin = true\n')
    shutil.copy(SECOND, certificate)
    forge.process.send_signal(signal.SIGHUP)
    assert becomes(lambda: any("2 keys hold now" in line for line in forge.lines))
    assert ask(forge, "/v1/completions", "b", second, prompt)[0] == 200
    assert ask(forge, "/v1/models", "a", second)[0] == 401

    assert ask(forge, "/forge/v1/admin/drain", "b", second, {})[0] == 403
    usage = {key["name"]: key for key in ask(forge, "/forge/v1/admin/keys", "r", second)[2]["keys"]}
    assert usage["bob"]["num_requests"] == 1
    assert ask(forge, "/forge/v1/admin/drain", "r", second, {})[0] == 200
    assert forge.wait_until_ended().exit_code == 0


def test_one_request_of_a_key_does_not_wait_behind_many_of_another(
    launch: Launch, tmp_path: Path
) -> None:
    keys = tmp_path / "keys.toml"
    keys.write_text('[keys.many]\nkey = "m"\n[keys.single]\nkey = "s"\n')
    keys.chmod(0o600)
    forge = launch("--api-keys-file", str(keys), "--max-batch-size", "1").wait_until_ready()
    body = {"prompt": "hello", "max_tokens": 64, "ignore_eos": True}

    def post(key: str) -> int:
        return ask(forge, "/v1/completions", key, PLAIN, body)[0]

    with ThreadPoolExecutor(NUM_MANY) as threads:
        many = [threads.submit(post, "m") for _ in range(NUM_MANY)]
        assert becomes(lambda: any(future.done() for future in many))
        assert post("s") == 200
        num_done = sum(future.done() for future in many)
        late = {"X-Request-Deadline-Ms": "150"}
        status, _, reply = ask(forge, "/v1/completions", "m", PLAIN, body, **late)
        assert (status, reply["error"]["code"]) in LATE
        assert [future.result() for future in many] == [200] * NUM_MANY
    assert num_done < NUM_MANY // 2
    assert becomes(lambda: is_free(ask(forge, "/forge/v1/health", "s", PLAIN)[2]["engine"]))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--api-keys-file", "/nowhere.toml"], "/nowhere.toml: No such file or directory"),
        (["--ssl-certfile", "/nowhere.pem"], "--ssl-certfile /nowhere.pem: No such file"),
    ],
)
def test_what_cannot_be_used_is_the_last_line(launch: Launch, argv: list[str], said: str) -> None:
    ended = launch(*argv).wait_until_ended()
    assert ended.exit_code == 2
    assert said in ended.last_line
