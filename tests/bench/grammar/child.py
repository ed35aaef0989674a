"""One engine on one vocabulary, in a process of its own: a line of JSON for each thing measured.

It is over when the cases are, or killed before: what it has said until then counts.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter

import msgspec
from msgspec import Struct

from tests.bench.grammar import bpe
from tests.bench.grammar.drive import MANY, CaseTimes, Leader, TogetherTimes
from tests.bench.grammar.generator import generated_cases
from tests.bench.grammar.peers import CONTENDERS
from tests.bench.grammar.schemas import ten_cases

NUM_GENERATED = 200
SEED = 1
SEED_TOGETHER = 2


class Begun(Struct, tag="begun"):
    num_tokens: int
    setup_s: float


class MemoryHeld(Struct, tag="memory"):
    """`rss_grown_bytes`: since the tokens were loaded, so with the engine's library and tables."""

    after: str
    rss_bytes: int
    rss_grown_bytes: int
    cached_bytes: int | None


Line = Begun | CaseTimes | TogetherTimes | MemoryHeld


def main(name: str, num_tokens: int) -> None:
    file = bpe.file_of_size(num_tokens)
    tokens = bpe.load(file)
    rss_before = rss_bytes()
    contender = CONTENDERS[name]
    contender.missing()  # imports it, which is no part of setting up
    started = perf_counter()
    engine = contender.make(tokens, file)
    say(Begun(len(tokens.tokens), perf_counter() - started))

    def held(after: str) -> MemoryHeld:
        rss = rss_bytes()
        return MemoryHeld(after, rss, rss - rss_before, engine.num_cached_bytes())

    leader = Leader(engine, tokens)
    for case in ten_cases():
        say(leader.measure(case))
    say(leader.measure_together(generated_cases(SEED_TOGETHER, MANY)))
    say(held("the ten and 64 at once"))
    for case in generated_cases(SEED, NUM_GENERATED):
        say(leader.measure(case))
    say(held("all"))


def say(line: Line) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def rss_bytes() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) * 1024


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
