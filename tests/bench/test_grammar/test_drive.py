"""Engines are led through values: times come out, and refusals with what was timed before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tokenizers

from tests.bench.grammar import bpe
from tests.bench.grammar.bpe import Bpe
from tests.bench.grammar.cases import Case, closed_object
from tests.bench.grammar.drive import NUM_STEPS, Leader, check_allowed
from tests.bench.grammar.engines import Follower, ForgeEngine, Row
from tests.bench.grammar.peers import CONTENDERS, Contender, new_row
from tests.bench.grammar.schemas import ten_cases

FLAG = Case("flag", closed_object({"on": {"type": "boolean"}}), {"on": True})
WRONG = Case("wrong", closed_object({"on": {"type": "boolean"}}), {"on": 1})


@pytest.fixture(scope="module")
def small() -> Bpe:
    trained: tokenizers.Tokenizer = bpe.train(iter(case.text for case in ten_cases()), 400)
    tokens = [b""] + [
        bpe.byte_level_bytes(trained.id_to_token(token_id)) for token_id in range(1, 400)
    ]
    return Bpe(trained, tokens, 0)


@pytest.fixture
def leader(small: Bpe) -> Leader:
    return Leader(ForgeEngine(small, Path()), small)


def test_each_token_and_the_end_have_a_mask_twice(leader: Leader, small: Bpe) -> None:
    times = leader.measure(FLAG)
    num_masks = len(small.encoder.encode(FLAG.text).ids) + 1
    assert times.refused is None
    assert times.compile_s > 0
    assert len(times.new_masks_s) == len(times.seen_masks_s) == num_masks


def test_refused_token_ends_a_case_and_its_times_remain(leader: Leader) -> None:
    times = leader.measure(WRONG)
    assert times.refused is not None
    assert "not in the mask" in times.refused
    assert times.new_masks_s
    assert not times.seen_masks_s


def test_refused_schema_is_told(leader: Leader) -> None:
    times = leader.measure(Case("odd", {"type": "no such"}, "a"))
    assert times.refused is not None
    assert times.refused.startswith("GrammarError")
    assert times.compile_s == 0


def test_all_ten_are_led_through_at_once(leader: Leader) -> None:
    cases = [*ten_cases(), Case("odd", {"type": "no such"}, "a")]
    times = leader.measure_together(cases)
    assert times.num_cases == len(ten_cases())
    assert len(times.new_steps_s) == len(times.seen_steps_s) == NUM_STEPS


class Forbids:
    """An engine whose masks allow nothing."""

    def compile(self, schema: dict[str, Any]) -> None:
        return None

    def follow(self, compiled: None) -> Follower:
        return self

    def fill_mask(self, row: Row) -> None:
        row[:] = 0

    def advance(self, token_id: int) -> bool:
        return True

    def num_cached_bytes(self) -> int | None:
        return None


def test_empty_masks_are_noticed(small: Bpe) -> None:
    assert Leader(Forbids(), small).measure(FLAG).refused is not None


def test_bits_are_counted_from_the_lowest() -> None:
    row = new_row(64)
    row[1] = -(2**31)
    check_allowed(row, 63)
    with pytest.raises(ValueError, match="not in the mask"):
        check_allowed(row, 62)


def test_row_has_room_for_every_token() -> None:
    assert [len(new_row(size)) for size in (1, 32, 33)] == [1, 1, 2]


def test_engine_that_is_not_installed_says_so() -> None:
    assert CONTENDERS["forge"].missing() is None
    absent = Contender("no_such_engine", ForgeEngine)
    assert "no_such_engine" in (absent.missing() or "")
