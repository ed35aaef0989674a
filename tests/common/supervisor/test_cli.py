"""What `forge-launch` says when it starts nothing, and the address it gives when it does."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from forge_common.config import HttpSettings
from forge_common.memory_plan import MemoryPlan
from forge_common.supervisor.cli import base_url, main
from forge_common.supervisor.plan_text import plan_text

CLI = "forge_common.supervisor.cli"
PLAN = MemoryPlan(
    backend="cpu",
    memory_name="the host",
    precision="float32",
    weight_format="float32",
    reserved_bytes=256 * 2**20,
    reserved_for="the interpreters",
    available_bytes=2**33,
    weights_bytes=2**31,
    workspace_bytes=2**28,
    block_bytes=2**20,
    num_blocks=1024,
    block_size=16,
    max_model_len=2048,
    longest_context=2048,
)


def exit_code(*argv: str) -> object:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    return caught.value.code


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_reads_as_a_page(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert exit_code(flag) == 0
    text = capsys.readouterr().out
    assert text.startswith("Usage: forge-launch [OPTIONS]\n\n  Serve a language model")
    assert text.index("--plan") < text.index("Model settings:") < text.index("--served-model-name")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out.startswith("forge ")


def test_wrong_flag_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--port", "70000") == 2
    assert capsys.readouterr().err == (
        "forge-launch: error: --port: expected int <= 65535, got 70000\n"
    )


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),  # noqa: S104
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("localhost", "http://localhost:80"),
    ],
)
def test_url_can_be_typed(host: str, url: str) -> None:
    assert base_url(HttpSettings(host=host, port=80)) == url


@pytest.mark.parametrize("flag", ["--help", "--version", "--plan"])
@pytest.mark.parametrize("is_buffered", [True, False])
def test_reader_may_stop_reading(flag: str, is_buffered: bool) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    command = [sys.executable, *([] if is_buffered else ["-u"]), "-m", CLI, flag]
    ended = subprocess.run(command, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("module", ["numpy", "tokenizers"])
def test_launcher_loads_nothing_heavy(module: str) -> None:
    code = f"import sys, forge_common.supervisor.cli; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_plan_names_every_part_and_the_sum() -> None:
    lines = plan_text(PLAN, "llama").splitlines()
    assert lines[0] == "Memory plan for llama"
    assert [line.split()[0] for line in lines[1:6]] == [
        "weights",
        "workspace",
        "KV",
        "reserved",
        "total",
    ]
    assert lines[5].split(maxsplit=1)[1] == "3.5 GiB   of 8.0 GiB on the host"
    assert lines[6] == "  A context holds up to 2048 tokens; all together, 16384."


def test_plan_that_cannot_be_written_is_no_failure() -> None:
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", CLI, "--plan"], stdout=full, stderr=subprocess.PIPE
        )
    assert (ended.returncode, ended.stderr) == (0, b"")
