"""Leads an engine through cases token by token, and takes the time of each question.

Every case is compiled and followed twice: the first time all of it is new to the engine, or at
least the schema is; the second time every state was there before. Then MANY cases, all new, are
followed at once, a token of each a step, as a server does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from time import perf_counter
from typing import Any, NamedTuple

from msgspec import Struct

from tests.bench.grammar.bpe import Bpe
from tests.bench.grammar.cases import Case
from tests.bench.grammar.engines import Follower, GrammarEngine, Row
from tests.bench.grammar.peers import new_row

MANY = 64
NUM_STEPS = 100


class CaseTimes(Struct, tag="case"):
    """`refused`: the schema, or a token of the value; the times are those up to there."""

    name: str
    compile_s: float = 0.0
    new_masks_s: list[float] = []
    seen_masks_s: list[float] = []
    refused: str | None = None


class TogetherTimes(Struct, tag="together"):
    """All masks and all advances of a step."""

    num_cases: int
    new_steps_s: list[float]
    seen_steps_s: list[float]


class Leader:
    def __init__(self, engine: GrammarEngine, bpe: Bpe) -> None:
        self._engine = engine
        self._bpe = bpe
        self._row: Row = new_row(len(bpe.tokens))

    def measure(self, case: Case) -> CaseTimes:
        times = CaseTimes(case.name)
        token_ids = self._token_ids(case)
        started = perf_counter()
        try:
            compiled = self._engine.compile(case.schema)
            times.compile_s = perf_counter() - started
            self._follow(compiled, token_ids, times.new_masks_s)
            self._follow(compiled, token_ids, times.seen_masks_s)
        except Exception as error:  # each engine has its own; the table counts them
            times.refused = f"{type(error).__name__}: {error}"[:200]
        return times

    def measure_together(self, cases: Iterable[Case]) -> TogetherTimes:
        texts = [text for case in cases if (text := self._text(case)) is not None]
        new, seen = (self._step_times([_Place(self._engine, text) for text in texts]) for _ in "ab")
        return TogetherTimes(len(texts), new, seen)

    def _text(self, case: Case) -> _Text | None:
        try:
            return _Text(self._engine.compile(case.schema), self._token_ids(case))
        except Exception:
            return None

    def _token_ids(self, case: Case) -> list[int]:
        ids: list[int] = self._bpe.encoder.encode(case.text, add_special_tokens=False).ids
        return ids

    def _follow(self, compiled: Any, token_ids: list[int], times: list[float]) -> None:
        follower, row = self._engine.follow(compiled), self._row
        for token_id in (*token_ids, self._bpe.end_id):
            started = perf_counter()
            follower.fill_mask(row)
            times.append(perf_counter() - started)
            check_allowed(row, token_id)
            if token_id != self._bpe.end_id and not follower.advance(token_id):
                raise ValueError("a token is in the mask, and yet refused")

    def _step_times(self, places: list[_Place]) -> list[float]:
        times: list[float] = []
        for _ in range(NUM_STEPS):
            started = perf_counter()
            for place in places:
                place.follower.fill_mask(self._row)
                place.advance()
            times.append(perf_counter() - started)
        return times


class _Text(NamedTuple):
    compiled: Any
    token_ids: list[int]


class _Place:
    """One of many; where its text is over, it begins again."""

    def __init__(self, engine: GrammarEngine, text: _Text) -> None:
        self._engine = engine
        self._text = text
        self.follower, self._tokens = self._begin()

    def advance(self) -> None:
        token_id = next(self._tokens, None)
        if token_id is None or not self.follower.advance(token_id):
            self.follower, self._tokens = self._begin()

    def _begin(self) -> tuple[Follower, Iterator[int]]:
        return self._engine.follow(self._text.compiled), iter(self._text.token_ids)


def check_allowed(row: Row, token_id: int) -> None:
    if not int(row[token_id // 32]) >> token_id % 32 & 1:
        raise ValueError("a token of the value is not in the mask")
