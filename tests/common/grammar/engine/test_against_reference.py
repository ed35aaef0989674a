"""Random programs and texts: the engine allows what the slow recogniser does, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

import pytest

from forge_common.grammar.automata.store import AutomatonStore
from forge_common.grammar.engine import Engine, State
from forge_common.grammar.errors import GrammarError
from forge_common.grammar.program import Program
from forge_common.grammar.vocabulary import Vocabulary
from tests.common.grammar.engine.programs import draw_text
from tests.common.grammar.engine.random_programs import RandomPrograms
from tests.common.grammar.engine.vocabularies import odd_vocabulary
from tests.common.grammar.reference import accepts

NUM_PROGRAMS = 60
NUM_DRAWN = 6
NUM_CHANGED = 8  # of each
PIECES = (
    *(b"a", b"ab", b"b", b"1", b"12", b"3", b'"a"', b'"ab"', b'"', b",", b"[", b"]", b"{", b"}"),
    *(b":", b" ", b'"a":', b'"ab":', '"é":'.encode(), "é".encode(), b'"\\u0061"', b"0.5", b"null"),
)


class Count(NamedTuple):
    num_programs: int
    num_texts: int
    num_accepted: int


def pair_of_engines() -> tuple[Engine, Engine]:
    """One with unkind tokens, which draws, and one that has but bytes."""
    return Engine(odd_vocabulary()), Engine(Vocabulary([bytes([byte]) for byte in range(256)]))


def changed(text: bytes, random: Random) -> bytes:
    at, until = sorted((random.randint(0, len(text)), random.randint(0, len(text))))
    piece = random.choice(PIECES)
    return random.choice(
        [
            text[:at] + piece + text[at:],
            text[:at] + text[at + 1 :],
            text[:at] + piece + text[at + 1 :],
            text[:at] + text[until:],
            text[:until] + text[at:],
        ]
    )


def texts(program: Program, drawer: Engine, random: Random) -> Iterator[bytes]:
    for _ in range(NUM_DRAWN):
        drawn, _ = draw_text(
            drawer.vocabulary, drawer.start(program), random, random.choice([2, 5, 12])
        )
        yield drawn
        for _ in range(NUM_CHANGED):
            yield changed(drawn, random)
    for _ in range(NUM_CHANGED):
        yield b"".join(random.choices(PIECES, k=random.randrange(5)))


def compare(seed: int, num_programs: int) -> Count:
    random, made = Random(seed), RandomPrograms(seed)
    drawer, bytewise = pair_of_engines()
    automata = AutomatonStore()
    started = num_texts = num_accepted = 0
    for _ in range(num_programs):
        program = made.program()
        try:
            start = bytewise.start(program)
        except GrammarError:
            continue
        started += 1
        for text in texts(program, drawer, random):
            state: State | None = start.advance_bytes(text)
            found = state is not None and state.is_accepting
            assert found == accepts(program, text, automata), (program, text)
            num_texts += 1
            num_accepted += found
    return Count(started, num_texts, num_accepted)


@pytest.mark.parametrize("seed", range(4))
def test_the_engine_allows_what_the_slow_recogniser_does(seed: int) -> None:
    count = compare(seed, NUM_PROGRAMS)
    assert count.num_programs > NUM_PROGRAMS / 2
    assert 0.1 < count.num_accepted / count.num_texts < 0.9
