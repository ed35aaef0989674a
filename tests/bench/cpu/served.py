"""Both servers over HTTP: streams of mixed lengths behind one long beginning, in turns on one file.

    python -m tests.bench.cpu.served --directory .bench-cpu --format q8_0

Tokens are counted by what was asked for, since end tokens are ignored. Knows no engine's inside.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import click

from tests.bench.cpu.cases import FORMATS
from tests.bench.cpu.llama_cpp import LlamaCpp, obtain
from tests.bench.cpu.models import SHAPES, with_vocabulary, write_gguf_model, write_model
from tests.bench.http_load import LoadResult, stream_once
from tests.bench.report import machine
from tests.bench.servers import free_port, launched

NUM_STREAMS = 16
SHARED = "You are a patient assistant who answers in short, plain sentences. " * 12
WORDS = ("river", "stone", "cloud", "paper", "green", "seven", "under", "light", "story", "garden")
READY_TIMEOUT_S = 120.0
COMPLETIONS = "/v1/completions"


class Asked(NamedTuple):
    body: bytes
    num_tokens: int


class Outcome(NamedTuple):
    tokens_per_s: float
    p95_first_s: float


def requests(seed: int) -> list[Asked]:
    """The same for both servers; other words each round, so that only the beginning is shared."""
    draw = random.Random(seed)
    return [_request(draw) for _ in range(NUM_STREAMS)]


def _request(draw: random.Random) -> Asked:
    words = draw.choices(WORDS, k=draw.randint(10, 200))
    num_tokens = draw.randint(24, 128)
    fields = {
        "prompt": SHARED + " ".join(words),
        "max_tokens": num_tokens,
        "temperature": 0.0,
        "ignore_eos": True,
        "stream": True,
    }
    return Asked(json.dumps(fields).encode(), num_tokens)


def measure(url: str, seed: int) -> Outcome:
    asked = requests(seed)
    result = asyncio.run(_load(url, asked))
    if result.num_failed:
        raise RuntimeError(f"{result.num_failed} streams failed")
    num_tokens = sum(request.num_tokens for request in asked)
    delays = result.first_event_delays
    return Outcome(num_tokens / result.seconds, delays[int(0.95 * (len(delays) - 1))])


async def _load(url: str, asked: list[Asked]) -> LoadResult:
    streams = (stream_once(url, request.body, COMPLETIONS) for request in asked)
    return LoadResult(list(await asyncio.gather(*streams)))


@contextmanager
def llama_server(program: Path, model: Path, num_threads: int) -> Iterator[str]:
    port = free_port()
    command = [
        *(program, "-m", model, "--host", "127.0.0.1", "--port", str(port)),
        *("-c", str(NUM_STREAMS * 1024), "-np", str(NUM_STREAMS)),
        *("-t", str(num_threads), "-tb", str(num_threads)),
    ]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(list(map(str, command)), **quiet) as process:  # type: ignore[call-overload]
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_until_ready(f"{url}/health")
            yield url
        finally:
            process.kill()


def _wait_until_ready(url: str) -> None:
    deadline = time.perf_counter() + READY_TIMEOUT_S
    while time.perf_counter() < deadline:
        with suppress(urllib.error.URLError, ConnectionError), urllib.request.urlopen(url) as reply:  # noqa: S310
            if reply.status == 200:
                return
        time.sleep(0.05)
    raise TimeoutError(f"{url} is not ready")


@click.command()
@click.option("--model", default="110M")
@click.option("--format", "format_name", default="q8_0")
@click.option("--threads", default=os.cpu_count() or 1)
@click.option("--rounds", default=3)
@click.option("--directory", type=Path, default=Path(".bench-cpu"))
def main(model: str, format_name: str, threads: int, rounds: int, directory: Path) -> None:
    programs = obtain(directory)
    path = _model(programs, directory / model, model, format_name)
    flags = ("--model-path", str(path), "--threads", str(threads), "--max-model-len", "1024")
    ours: list[Outcome] = []
    theirs: list[Outcome] = []
    with (
        launched(*flags) as forge,
        llama_server(programs.server(), path, threads) as peer,
    ):
        for seed in range(rounds + 1):
            for url, outcomes in ((forge.url, ours), (peer, theirs)):
                outcomes.append(measure(url, seed))
    print(f"{machine()}\n\n{_table(ours[1:], theirs[1:])}")


def _model(programs: LlamaCpp, folder: Path, model: str, format_name: str) -> Path:
    """One file that both serve: the demo model's tokens, and others behind them."""
    write_model(folder, SHAPES[model])
    source, wanted = folder / "served-BF16.gguf", FORMATS[format_name].llama_cpp
    target = folder / f"served-{wanted}.gguf"
    if not target.exists():
        print(f"… {target}", file=sys.stderr, flush=True)
        write_gguf_model(folder, source, with_vocabulary)
        programs.quantize(source, target, wanted)
        source.unlink()
    return target


def _table(ours: list[Outcome], theirs: list[Outcome]) -> str:
    rows = ["| over HTTP, 16 streams | Forge | llama-server | ratio |", "|---|---|---|---|"]
    for name, field in (("tokens a second", 0), ("p95 of the first token, s", 1)):
        us, them = (statistics.median(o[field] for o in side) for side in (ours, theirs))
        rows.append(f"| {name} | {us:.3g} | {them:.3g} | {us / them:.2f} |")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
