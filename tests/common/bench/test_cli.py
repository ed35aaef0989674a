"""`forge-bench` as it is typed: reports, files, exit codes, and sentences where it is misused."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from forge_common.bench.cli import main
from forge_common.bench.load import AllAtOnce, Concurrent, Poisson
from forge_common.bench.result import read_result
from forge_common.bench.run_flags import headers_of, load_of, run_options, run_settings
from forge_common.errors import ConfigError
from tests.common.bench.fake_server import Handler, Script, saying, served, streaming


@contextmanager
def in_background(handler: Handler) -> Iterator[str]:
    """A server on a thread of its own, since `main` has a loop of its own."""
    urls: list[str] = []
    is_up, is_over = threading.Event(), threading.Event()

    async def serve() -> None:
        async with served(handler) as url:
            urls.append(url)
            is_up.set()
            while not is_over.is_set():
                await asyncio.sleep(0.02)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert is_up.wait(10)
    try:
        yield urls[0]
    finally:
        is_over.set()
        thread.join()


def exit_code(*argv: str) -> object:
    with pytest.raises(SystemExit) as exited:
        main(argv)
    return exited.value.code


def test_run_and_compare_write_their_reports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [str(tmp_path / name) for name in ("a.json", "b.json", "a.html", "c.html")]
    with in_background(streaming(Script(num_tokens=3))) as url:
        run = ["run", "--url", url, "--num-requests", "5"]
        assert exit_code(*run, "--json", files[0], "--html", files[2], "--slo", "ttft=9s") == 0
        assert exit_code(*run, "--rate", "inf", "--json", files[1], "--api-key", "secret") == 0
    assert "5 of 5 succeeded" in capsys.readouterr().out
    assert exit_code("compare", files[0], files[1], "--html", files[3]) == 0
    assert "B / A" in capsys.readouterr().out
    assert all("<svg" in Path(file).read_text() for file in files[2:])
    assert read_result(Path(files[1])).settings.load == AllAtOnce()
    assert "secret" not in Path(files[1]).read_text()


def test_run_in_which_nothing_succeeds_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with in_background(saying(503, "not yet", Retry_After="1")) as url:
        assert exit_code("run", "--url", url, "--rate", "inf", "--num-requests", "2") == 1
    captured = capsys.readouterr()
    assert "HTTP 503" in captured.out
    assert "no request succeeded" in captured.err


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["walk"], "no command"),
        (["run"], "--url"),
        (["run", "--url", "localhost:8080"], "http://HOST"),
        (["run", "--url", "http://me:secret@host/v1"], "no password"),
        (["run", "--url", "http://h/v1", "--rate", "1", "--concurrency", "2"], "exclude"),
        (["run", "--url", "http://h/v1", "--rate", "0"], "above 0"),
        (["run", "--url", "http://h/v1", "--rate", "inf", "--duration", "3s"], "--num-requests"),
        (["run", "--url", "http://h/v1", "--num-requests", "1", "--duration", "3s"], "exclude"),
        (["run", "--url", "http://h/v1", "--burstiness", "2"], "--rate"),
        (["run", "--url", "http://h/v1", "--header", "nonsense"], "Name: value"),
        (["run", "--url", "http://h/v1", "--extra-body", "[1]"], "--extra-body"),
        (["run", "--url", "http://h/v1", "--endpoint", "embeddings"], "embeddings"),
        (["compare", "one.json"], "B.json"),
        (["compare", "/none", "/none"], "No such file"),
    ],
)
def test_misuse_is_one_sentence(
    argv: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*argv) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert "secret" not in said
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("argv", [[], ["--help"], ["run", "--help"], ["compare", "-h"]])
def test_help_is_there(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(*argv) == 0
    assert "forge-bench" in capsys.readouterr().out


def test_loads_follow_from_flags() -> None:
    assert load_of({}) == Concurrent(1)
    assert load_of({"concurrency": 8, "ramp": "2s"}) == Concurrent(8, 2.0)
    assert load_of({"rate": 2.0, "burstiness": 0.5}) == Poisson(2.0, 0.5)
    assert load_of({"rate": float("inf")}) == AllAtOnce()


def test_names_of_headers_are_kept_and_values_are_not() -> None:
    flags = {
        "url": "http://h/v1/?key=secret",
        "endpoint": "chat",
        "dataset": "synthetic",
        "warmup": 0,
        "seed": 0,
        "timeout": "1m",
        "ignore_eos": False,
        "api_key": "secret",
        "header": ("X-Team: blue",),
    }
    settings = run_settings(flags)
    assert headers_of(flags) == {"Authorization": "Bearer secret", "X-Team": "blue"}
    assert settings.header_names == ["Authorization", "X-Team"]
    assert settings.url == "http://h/v1"
    assert settings.num_requests == 100


def test_every_flag_stands_in_the_docs() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "forge-bench.md").read_text()
    flags = [flag for option in run_options() for flag in option.opts]
    assert [flag for flag in flags if f"`{flag}" not in docs] == []


def test_header_cannot_smuggle_another_one() -> None:
    with pytest.raises(ConfigError):
        headers_of({"header": ("A: b\r\nC: d",)})
