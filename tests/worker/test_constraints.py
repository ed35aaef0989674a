"""Grammars are followed row by row, and what is wrong with one stays with its row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from forge_common.errors import RequestErrorKind
from forge_common.sampling import SamplingParams
from forge_worker.constraints import Constraints
from forge_worker.followed_grammar import NOT_ALLOWED
from forge_worker.sampler.grammar_mask import forbidden_tokens
from tests.worker.grammars import (
    END,
    PERSON,
    VOCAB_SIZE,
    Literals,
    constraints,
    engine,
    grammar,
    tokens,
)


def params(grammar: bytes | None, **changed: object) -> SamplingParams:
    return SamplingParams(max_tokens=9, seed=1, grammar=grammar, **changed)


def allowed(found: Constraints, row: int) -> set[int]:
    words = found.masks([row]).words[row]
    return set(np.flatnonzero(~forbidden_tokens(words, VOCAB_SIZE)).tolist())


def ids(text: str) -> list[int]:
    return [tokens().index(character.encode()) for character in text]


YES_OR_NO = grammar(Literals((b"yes", b"no")))


def test_rows_without_a_grammar_cost_nothing() -> None:
    found = Constraints(lambda: pytest.fail("no vocabulary is needed"))
    assert found.set(3, params(None), []) is None
    assert found.begin_masks([3]).result() == ({}, {}, set())
    assert found.advance([3], [7]) == {}


def test_mask_follows_what_was_drawn_until_the_end() -> None:
    found = constraints()
    assert found.set(0, params(YES_OR_NO), []) is None
    assert allowed(found, 0) == set(ids("yn"))
    assert found.advance([0], ids("n")) == {}
    assert allowed(found, 0) == set(ids("o"))
    assert found.advance([0], ids("o")) == {}
    assert allowed(found, 0) == {END}
    assert found.advance([0], [END]) == {}


def test_resumed_sequence_is_where_it_was() -> None:
    found = constraints()
    assert found.set(0, params(YES_OR_NO), ids("ye")) is None
    assert allowed(found, 0) == set(ids("s"))


def test_rows_are_apart_and_forgotten_alone() -> None:
    found = constraints()
    for row in (0, 1):
        found.set(row, params(YES_OR_NO), [])
    found.advance([0], ids("n"))
    assert allowed(found, 1) == set(ids("yn"))
    found.clear(0)
    assert set(found.masks([0, 1]).words) == {1}


def test_allowed_tokens_narrow_a_grammar() -> None:
    found = constraints()
    found.set(0, params(YES_OR_NO, allowed_token_ids=tuple(ids("nox"))), [])
    assert allowed(found, 0) == set(ids("n"))


@pytest.mark.parametrize(
    ("program", "reason"),
    [(b"\xc1", "cannot be followed"), (grammar(Literals((b"a",)))[:-2], "cannot be followed")],
)
def test_what_is_no_grammar_fails_its_sequence_alone(program: bytes, reason: str) -> None:
    found = constraints()
    found.set(1, params(PERSON), [])
    failure = found.set(0, params(program), [])
    assert failure is not None
    assert reason in failure.message
    assert (failure.kind, failure.param) == (RequestErrorKind.INVALID, "grammar")
    assert found.masks([0, 1]).words.keys() == {1}


def test_token_that_is_not_allowed_ends_the_sequence_that_drew_it() -> None:
    found = constraints()
    assert found.set(0, params(YES_OR_NO), ids("x")) == NOT_ALLOWED
    for row in (0, 1):
        found.set(row, params(YES_OR_NO), [])
    found.advance([0, 1], [*ids("x"), *ids("y")])
    for _ in range(2):  # it has a grammar still: nobody may take it for one that has none
        masks = found.masks([0, 1])
        assert set(masks.words) == {1}
        assert masks.errors == {0: NOT_ALLOWED}
    assert found.forced(0, 9) is None


def test_end_that_is_not_allowed_is_refused_at_once() -> None:
    found = constraints()
    for row in (0, 1):
        found.set(row, params(YES_OR_NO, eos_token_ids=(END,)), [])
    assert found.advance([0, 1], [END, *ids("y")]) == {0: NOT_ALLOWED}
    assert found.masks([0, 1]).errors == {0: NOT_ALLOWED}


def test_what_is_forced_is_seen_from_the_last_token_on() -> None:
    found = constraints()
    found.set(0, params(YES_OR_NO), [])
    found.advance([0], ids("n"))
    forced = found.forced(0, 9)
    assert forced is not None
    assert forced.text == b"o"


def test_row_that_was_given_up_is_free_for_another() -> None:
    found = constraints()
    found.set(0, params(YES_OR_NO), ids("x"))
    found.set(0, params(YES_OR_NO), ids("y"))
    assert allowed(found, 0) == set(ids("e"))


def test_masks_may_be_worked_out_on_another_thread_meanwhile() -> None:
    found = constraints()
    found.set(0, params(PERSON), [])
    words, errors, delayed = found.begin_masks([0, 5]).result()
    assert list(words) == [0]
    assert (errors, delayed) == ({}, set())


def test_core_is_lent_only_while_masks_are_worked_out_beside_a_step() -> None:
    said: list[str] = []

    @contextmanager
    def lend_core() -> Iterator[None]:
        said.append("lent")
        yield
        said.append("back")

    found = Constraints(engine, lend_core=lend_core)
    found.set(0, params(YES_OR_NO), [])
    found.masks([0])
    assert said == []
    assert set(found.begin_masks([0]).result().words) == {0}
    assert said == ["lent", "back"]
    found.begin_masks([5]).result()
    assert said == ["lent", "back"]


def test_masks_behind_tokens_that_may_come_leave_the_row_where_it_is() -> None:
    found = constraints()
    found.set(0, params(YES_OR_NO), [])
    behind = [
        set(np.flatnonzero(~forbidden_tokens(words, VOCAB_SIZE)).tolist())
        for words in found.masks_behind(0, [*ids("yes"), END])
    ]
    assert behind == [set(ids("e")), set(ids("s")), {END}, {END}]
    assert allowed(found, 0) == set(ids("yn"))


def test_behind_a_token_that_is_not_allowed_nothing_is_looked_for() -> None:
    found = constraints()
    found.set(0, params(YES_OR_NO), [])
    assert len(found.masks_behind(0, ids("yno"))) == 1
    assert found.masks_behind(0, ids("o")) == []
    assert found.has_grammar(0)
    assert not found.has_grammar(1)
