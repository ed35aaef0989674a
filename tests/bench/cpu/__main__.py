"""`make bench-cpu`: random models in several formats, Forge and llama.cpp in turns, one table.

`ARGS="--models 110M --formats q8_0 --threads 1"` runs a part. Without a C++ compiler, or with
`--alone`, Forge runs by itself; `--noisy` says what a busy neighbour on one core leaves of it.
Everything fetched or made stays in `--directory`.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import click

from forge_common.checkpoint.model_config import read_model_config
from tests.bench.cpu.cases import FORMATS, LOADS, LONG, Load, goal
from tests.bench.cpu.ceilings import Work, measure, share
from tests.bench.cpu.engine import Asked
from tests.bench.cpu.llama_cpp import LlamaCpp, obtain
from tests.bench.cpu.models import SHAPES, write_gguf_model, write_model
from tests.bench.cpu.noisy import disturbed_lines
from tests.bench.cpu.plot import Bar, svg
from tests.bench.cpu.rivals import Peer, Speeds, compare, forge
from tests.bench.report import machine

KV_TOKENS = {False: 2**12, True: 2**15}  # by whether long contexts are measured


def names(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(value.split(","))


@click.command()
@click.option("--models", default="110M,1B", callback=names)
@click.option("--formats", default=",".join(FORMATS), callback=names)
@click.option("--threads", default="1,2", callback=names)
@click.option("--rounds", default=3, help="Runs of each engine that count.")
@click.option("--alone", is_flag=True, help="Without llama.cpp.")
@click.option("--long", "with_long", is_flag=True, help="A context of 1024 at batch 16 too.")
@click.option("--plots", type=Path, help="A folder for a plot a model and number of threads.")
@click.option("--noisy", is_flag=True, help="Forge alone, with and without a busy neighbour.")
@click.option("--directory", type=Path, default=Path(".bench-cpu"))
def main(
    models: tuple[str, ...],
    formats: tuple[str, ...],
    threads: tuple[str, ...],
    rounds: int,
    alone: bool,
    with_long: bool,
    plots: Path | None,
    noisy: bool,
    directory: Path,
) -> None:
    peer = None if alone or noisy else obtain(directory)
    loads = (*LOADS, LONG) if with_long else LOADS
    print(f"{machine()}\n\n{HEAD}", flush=True)
    bars: dict[str, list[Bar]] = {}
    ceilings = {number: measure(number) for number in map(int, threads)}
    for model, format_name, num_threads in product(models, formats, map(int, threads)):
        folder = directory / model
        write_model(folder, SHAPES[model])
        rival = None if peer is None else _peer(peer, folder, format_name, num_threads)
        asked = _asked(rival, folder, format_name, num_threads, KV_TOKENS[with_long])
        if noisy:
            for line in disturbed_lines(asked, rounds):
                print(f"| {model} {format_name}, {num_threads} | {line}", flush=True)
            continue
        of_plot = bars.setdefault(f"{model}, {num_threads} threads", [])
        for compared in _compared(asked, rival, loads, rounds):
            wanted = goal(format_name, compared.load)
            part = share(
                ceilings[num_threads],
                _work(asked, folder, format_name),
                compared.load,
                statistics.median(compared.speeds.forge),
            )
            line = f"{compared.line} {wanted} | {part:.0%} |"
            print(f"| {model} {format_name}, {num_threads} {line}", flush=True)
            if compared.speeds.llama_cpp:
                of_plot.append(Bar(compared.load.name, format_name, compared.speeds.ratio, wanted))
    if plots is not None:
        _draw(plots, bars)


HEAD = (
    "| model, threads | load | Forge tok/s (spread) | llama.cpp | ratio (of turns) | goal "
    "| of the ceiling |\n"
    "|---|---|---|---|---|---|---|"
)


def _work(asked: Asked, folder: Path, format_name: str) -> Work:
    """Embeddings are tied in both models, so that a step reads every weight there is."""
    num_weights = (folder / "model.safetensors").stat().st_size // 2
    bits = FORMATS[format_name].bits_per_weight
    path = Path(asked.directory)
    num_bytes = path.stat().st_size if path.is_file() else num_weights * bits // 8
    config = read_model_config(folder / "config.json")
    num_head_weights = config.vocab_size * config.hidden_size
    return Work(num_weights, num_head_weights, int(num_bytes), format_name != "bf16")


def _asked(
    rival: Peer | None, folder: Path, format_name: str, num_threads: int, num_kv_tokens: int
) -> Asked:
    """Of the very file that the rival reads, where there is one."""
    if rival is None:
        return Asked(str(folder), FORMATS[format_name].forge, num_threads, num_kv_tokens)
    return Asked(str(rival.model), "none", num_threads, num_kv_tokens)


def _peer(programs: LlamaCpp, folder: Path, format_name: str, num_threads: int) -> Peer:
    source = folder / "BF16.gguf"
    if not source.exists():
        write_gguf_model(folder, source)
    wanted = FORMATS[format_name].llama_cpp
    target = folder / f"{wanted}.gguf"
    if not target.exists():
        print(f"… {target}", file=sys.stderr, flush=True)
        programs.quantize(source, target, wanted)
    return Peer(programs, target, num_threads)


class Compared(NamedTuple):
    load: Load
    speeds: Speeds

    @property
    def line(self) -> str:
        return f"| {self.load.name} | {_cells(self.speeds)} |"


def _compared(
    asked: Asked, rival: Peer | None, loads: tuple[Load, ...], num_rounds: int
) -> Iterator[Compared]:
    with forge(asked) as ours:
        for load in loads:
            yield Compared(load, compare(ours, rival, load, num_rounds))


def _draw(folder: Path, bars: dict[str, list[Bar]]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, of_plot in bars.items():
        if of_plot:
            file = folder / f"cpu-{name.replace(', ', '-').replace(' ', '-')}.svg"
            file.write_text(svg(f"{name}: tokens a second, llama.cpp = 1", of_plot))


def _cells(speeds: Speeds) -> str:
    ours = _spread(speeds.forge)
    if not speeds.llama_cpp:
        return f"{ours} | | "
    turns = f"{min(speeds.pairs):.2f}–{max(speeds.pairs):.2f}"
    return f"{ours} | {_spread(speeds.llama_cpp)} | {speeds.ratio:.2f} ({turns})"


def _spread(speeds: list[float]) -> str:
    return f"{statistics.median(speeds):.1f} ({min(speeds):.1f}–{max(speeds):.1f})"


if __name__ == "__main__":
    main()
